// A template out of a checkpoint, rendered with a fixed chat.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/utf8.h"
#include "model/text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string source(reinterpret_cast<const char*>(data), size);
  const gantry::Json config = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
  const auto chat = gantry::ChatTemplate::Parse(source, config);
  if (!chat.ok()) return 0;
  gantry::ChatTemplate::Options options;
  options.now = 1'700'000'000;
  const auto text = (*chat)->Render({{"system", "Be brief."},
                                     {"user", "Gr\u00fc\u00dfe <s> 'x' \"y\"\n z"},
                                     {"assistant", "<think>a</think> b"},
                                     {"user", ""}},
                                    options);
  if (!text.ok()) return 0;
  // What the tokenizer relies on.
  size_t end = 0;
  for (const auto& span : text->user) {
    if (span.begin < end || span.begin >= span.end || span.end > text->text.size()) std::abort();
    end = span.end;
  }
  if (!gantry::IsValidUtf8(text->text)) std::abort();
  return 0;
}
