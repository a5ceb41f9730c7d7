#ifndef GANTRY_TESTS_CLIENT_CAPTURED_OUTPUT_H_
#define GANTRY_TESTS_CLIENT_CAPTURED_OUTPUT_H_

#include <stdio.h>
#include <unistd.h>

#include <string>

#include "client/output.h"

namespace gantry {

// An Output into a file without a name.
class CapturedOutput {
 public:
  CapturedOutput() : file_(tmpfile()), output_(fileno(file_)) {}
  ~CapturedOutput() { fclose(file_); }

  Output* output() { return &output_; }
  std::string text() const {
    std::string text(lseek(fileno(file_), 0, SEEK_CUR), '\0');
    if (pread(fileno(file_), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
      return "(cannot be read back)";
    }
    return text;
  }

 private:
  FILE* const file_;
  Output output_;
};

}  // namespace gantry

#endif  // GANTRY_TESTS_CLIENT_CAPTURED_OUTPUT_H_
