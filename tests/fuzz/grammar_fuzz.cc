// A schema or an expression of a client: compiled, and a text written by it. The first byte says
// which; the last bytes choose among what may follow.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/utf8.h"
#include "model/grammar/json_schema.h"
#include "model/grammar/pushdown.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using gantry::Pushdown;
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const gantry::ByteSet all = gantry::ByteSet().set();
  const bool schema = data[0] == 's';
  const auto grammar =
      schema ? gantry::CompileJsonSchema(text, all) : gantry::CompileRegex(text, all);
  if (!grammar.ok()) return 0;
  Pushdown pushdown(&*grammar);
  Pushdown::StateId state = pushdown.start();
  std::string written;
  for (size_t step = 0; step < 200; ++step) {
    // From a byte that the input chooses on, the first that may follow.
    const unsigned char from = data[size - 1 - step % size];
    int byte = -1;
    for (int i = 0; i < 256 && byte < 0; ++i) {
      const auto tried = static_cast<unsigned char>(from + i);
      if (pushdown.Next(state, tried) != Pushdown::kDead) byte = tried;
    }
    if (byte < 0) {
      if (!pushdown.MayEnd(state)) std::abort();  // a dead end
      break;
    }
    state = pushdown.Next(state, static_cast<unsigned char>(byte));
    written.push_back(static_cast<char>(byte));
  }
  if (!gantry::IsValidUtf8(written.substr(0, gantry::CompleteUtf8Prefix(written)))) std::abort();
  return 0;
}
