#include "model/text/sentencepiece_library.h"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

namespace gantry {
namespace {

constexpr char kModuleName[] = "libgantry_sentencepiece.so";

struct Module {
  std::string error;  // why it could not be opened
  decltype(&GantrySentencePieceLoad) load = nullptr;
  decltype(&GantrySentencePieceFree) free = nullptr;
  decltype(&GantrySentencePieceEncode) encode = nullptr;
};

Module Open() {
  Module module;
  std::error_code unreadable;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", unreadable);
  const std::string path = (program.parent_path() / kModuleName).string();
  int flags = RTLD_NOW | RTLD_LOCAL;
#ifndef GANTRY_SANITIZED  // the sanitizers' runtimes do not allow it
  // Its own names before those of the program: libsentencepiece's protobuf is not libprotobuf.
  flags |= RTLD_DEEPBIND;
#endif
  void* const handle = dlopen(path.c_str(), flags);
  if (handle != nullptr) {
    module.load = reinterpret_cast<decltype(module.load)>(dlsym(handle, "GantrySentencePieceLoad"));
    module.free = reinterpret_cast<decltype(module.free)>(dlsym(handle, "GantrySentencePieceFree"));
    module.encode =
        reinterpret_cast<decltype(module.encode)>(dlsym(handle, "GantrySentencePieceEncode"));
  }
  if (module.load == nullptr || module.free == nullptr || module.encode == nullptr) {
    const char* const reason = dlerror();
    module.error = std::string("cannot open the module for tokenizer.model: ") +
                   (reason == nullptr ? path : reason);
  }
  return module;
}

const Module& TheModule() {
  static const Module* const module = new Module(Open());
  return *module;
}

}  // namespace

void SentencePieceLibrary::Free::operator()(GantrySentencePiece* processor) const {
  TheModule().free(processor);
}

std::string SentencePieceLibrary::Load(absl::string_view serialized_model) {
  if (!TheModule().error.empty()) return TheModule().error;
  char error[kGantryErrorBytes];
  processor_.reset(TheModule().load(serialized_model.data(), serialized_model.size(), error));
  return processor_ == nullptr ? error : "";
}

std::string SentencePieceLibrary::Encode(absl::string_view text, std::vector<int>* ids) const {
  const auto take = [](void* context, const int* found, size_t count) {
    static_cast<std::vector<int>*>(context)->assign(found, found + count);
  };
  char error[kGantryErrorBytes];
  if (!TheModule().encode(processor_.get(), text.data(), text.size(), take, ids, error)) {
    return error;
  }
  return "";
}

}  // namespace gantry
