#ifndef GANTRY_WORKER_OUTPUT_FOLDER_H_
#define GANTRY_WORKER_OUTPUT_FOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gantry {

// A model folder that appears under its name when it is complete, or not at all.
class OutputFolder {
 public:
  // Makes a folder PATH.partial-PID to write into. ALREADY_EXISTS if PATH is there and is not an
  // empty folder.
  static absl::StatusOr<OutputFolder> Create(const std::string& path);
  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&&) = delete;
  // Removes what was written unless it was committed.
  ~OutputFolder();

  const std::string& path() const { return partial_; }
  // Gives the folder its name.
  absl::Status Commit();

 private:
  OutputFolder(std::string path, std::string partial);
  std::string path_;
  std::string partial_;  // empty: committed or moved away
};

// Copies what belongs to a model beside its weights and config.json: tokenizer, generation_config,
// chat templates, licence.
absl::Status CopySideFiles(const std::string& from, const std::string& to);

}  // namespace gantry

#endif  // GANTRY_WORKER_OUTPUT_FOLDER_H_
