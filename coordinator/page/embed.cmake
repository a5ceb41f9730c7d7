# Writes ${OUTPUT}.S, which has the bytes of ${FILES} in ${FOLDER}, and ${OUTPUT}.cc, which has their table. index.html is
# "/", and the others are below "/page/"; licences, which have to go with the modules, too.

set(type_.html "text/html; charset=utf-8")
set(type_.css "text/css; charset=utf-8")
set(type_.js "text/javascript; charset=utf-8")
set(type_.mjs "text/javascript; charset=utf-8")
set(type_.svg "image/svg+xml")
set(type_ "text/plain; charset=utf-8")

set(bytes "  .section .rodata\n")
set(symbols "")
set(rows "")
set(number 0)
foreach(file ${FILES})
  file(SIZE ${FOLDER}/${file} size)
  file(SHA256 ${FOLDER}/${file} hash)
  get_filename_component(extension ${file} LAST_EXT)
  set(path /page/${file})
  if(file STREQUAL index.html)
    set(path /)
  endif()
  set(symbol gantry_page_${number})
  string(APPEND bytes "  .globl ${symbol}\n  .hidden ${symbol}\n${symbol}:\n  .incbin \"${FOLDER}/${file}\"\n")
  string(APPEND symbols "extern const char ${symbol}[];\n")
  string(APPEND rows "    {\"${path}\", \"${type_${extension}}\", {${symbol}, ${size}}, \"\\\"${hash}\\\"\"},\n")
  math(EXPR number "${number} + 1")
endforeach()
string(APPEND bytes "  .section .note.GNU-stack,\"\",%progbits\n")

file(WRITE ${OUTPUT}.S "${bytes}")
file(WRITE ${OUTPUT}.cc "#include \"coordinator/http/static_files.h\"

extern \"C\" {
${symbols}}

namespace gantry {

absl::Span<const StaticFile> StaticFiles() {
  static const StaticFile kFiles[] = {
${rows}  };
  return kFiles;
}

}  // namespace gantry
")
