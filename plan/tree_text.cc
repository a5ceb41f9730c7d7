#include "plan/tree_text.h"

#include <cstdlib>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/bytes.h"

namespace gantry {
namespace {

struct Line {
  int depth = 0;
  std::string name;  // empty below a repetition
  std::string count;
  std::string class_name;
  std::vector<std::string> rest;
};

uint64_t SaturatingAdd(uint64_t a, uint64_t b) {
  uint64_t sum;
  return CheckedAdd(a, b, &sum) ? sum : std::numeric_limits<uint64_t>::max();
}

uint64_t SaturatingMultiply(uint64_t a, uint64_t b) {
  uint64_t product;
  return CheckedMultiply(a, b, &product) ? product : std::numeric_limits<uint64_t>::max();
}

std::vector<Line> SplitLines(absl::string_view text) {
  std::vector<Line> lines;
  for (absl::string_view raw : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    Line line;
    line.depth = static_cast<int>(raw.find_first_not_of(' ')) / 2;
    std::vector<std::string> words = absl::StrSplit(raw, ' ', absl::SkipEmpty());
    size_t next = 0;
    if (words.size() > 1) {
      const std::pair<std::string, std::string> name =
          absl::StrSplit(words[next++], absl::MaxSplits('*', 1));
      line.name = name.first;
      line.count = name.second;
    }
    line.class_name = words[next++];
    line.rest.assign(words.begin() + next, words.end());
    lines.push_back(std::move(line));
  }
  return lines;
}

class Reader {
 public:
  Reader(absl::string_view text, const TreeSymbols& symbols)
      : lines_(SplitLines(text)), symbols_(symbols) {}

  TreeFromText Read() {
    auto root = std::make_shared<TreeModule>();
    AddChildren(0, lines_.size(), "", root.get());
    result_.root = std::move(root);
    return std::move(result_);
  }

 private:
  int64_t Value(absl::string_view symbol) const {
    const auto it = symbols_.find(symbol);
    if (it == symbols_.end()) std::abort();
    return it->second;
  }

  // The line behind the last one that belongs to `line`.
  size_t End(size_t line) const {
    size_t end = line + 1;
    while (end < lines_.size() && lines_[end].depth > lines_[line].depth) ++end;
    return end;
  }

  bool Present(const Line& line) const {
    for (const std::string& word : line.rest) {
      if (word[0] == '?' && Value(word.substr(1)) == 0) return false;
    }
    return true;
  }

  void AddChildren(size_t begin, size_t end, const std::string& prefix, TreeModule* module) {
    for (size_t i = begin; i < end; i = End(i)) {
      if (!Present(lines_[i])) continue;
      AddChild(lines_[i].name, Read(i, absl::StrCat(prefix, lines_[i].name)), module);
    }
  }

  static void AddChild(const std::string& name, std::shared_ptr<const TreeModule> child,
                       TreeModule* module) {
    module->parameters = SaturatingAdd(module->parameters, child->parameters);
    module->children.push_back(TreeChild{name, std::move(child)});
  }

  static void AddTensor(const std::string& name, std::vector<int64_t> shape, bool is_buffer,
                        TreeModule* module) {
    TreeTensor tensor{name, std::move(shape), 1, is_buffer};
    for (int64_t size : tensor.shape) tensor.elements = SaturatingMultiply(tensor.elements, size);
    if (!is_buffer) module->parameters = SaturatingAdd(module->parameters, tensor.elements);
    module->tensors.push_back(std::move(tensor));
  }

  std::shared_ptr<const TreeModule> Read(size_t index, const std::string& name) {
    const Line& line = lines_[index];
    auto module = std::make_shared<TreeModule>();
    module->class_name = line.class_name;
    AddTensors(line, name, module.get());
    if (line.count.empty()) {
      AddChildren(index + 1, End(index), absl::StrCat(name, "."), module.get());
      return module;
    }
    // What repeats has neither ties nor an order of its own, so that its name does not matter.
    const int64_t count = Value(line.count);
    std::shared_ptr<const TreeModule> first;
    std::shared_ptr<const TreeModule> other;
    const int64_t outer = symbols_["first"];
    for (int64_t i = 0; i < count; ++i) {
      std::shared_ptr<const TreeModule>& shared = i == 0 ? first : other;
      symbols_["first"] = i == 0;
      if (shared == nullptr) shared = Read(index + 1, name);
      AddChild(absl::StrCat(i), shared, module.get());
    }
    symbols_["first"] = outer;
    return module;
  }

  void AddTensors(const Line& line, const std::string& name, TreeModule* module) {
    std::vector<int64_t> shape;
    for (const std::string& word : line.rest) {
      if (word == "^") {
        result_.late.insert(name);
      } else if (word[0] == '=' || (word[0] == '~' && Value("tied") != 0)) {
        Tie(word.substr(1), absl::StrCat(name, ".weight"));
      } else if (word[0] == '+') {
        if (word.size() == 1 || Value(word.substr(1)) != 0) {
          AddTensor("bias", {shape.at(0)}, false, module);
        }
      } else if (word[0] != '?' && word[0] != '~') {
        for (absl::string_view symbol : absl::StrSplit(word, ',')) shape.push_back(Value(symbol));
        if (absl::EndsWith(line.class_name, "RotaryEmbedding")) {
          AddTensor("inv_freq", shape, true, module);
          AddTensor("original_inv_freq", shape, true, module);
        } else {
          AddTensor("weight", shape, false, module);
        }
      }
    }
  }

  void Tie(const std::string& kept, const std::string& other) {
    for (std::vector<std::string>& group : result_.tied) {
      if (group[0] == kept) {
        group.push_back(other);
        return;
      }
    }
    result_.tied.push_back({kept, other});
  }

  const std::vector<Line> lines_;
  TreeSymbols symbols_;
  TreeFromText result_;
};

}  // namespace

TreeFromText ReadTree(absl::string_view text, const TreeSymbols& symbols) {
  return Reader(text, symbols).Read();
}

}  // namespace gantry
