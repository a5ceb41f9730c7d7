#ifndef GANTRY_COORDINATOR_HTTP_STATIC_FILES_H_
#define GANTRY_COORDINATOR_HTTP_STATIC_FILES_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "coordinator/http/http_message.h"

namespace gantry {

// A file that is built into the coordinator.
struct StaticFile {
  absl::string_view path;  // "/"
  absl::string_view content_type;
  absl::string_view bytes;
  absl::string_view etag;  // with its quotation marks
};

// What is served beside the API: the page, as coordinator/page/embed.cmake writes it.
absl::Span<const StaticFile> StaticFiles();

// 304 where the request names the etag. Comes with a policy that lets a page load what this server
// has, and nothing else, run nothing inline, and make nodes of text by DOMPurify only.
HttpResponse ServeStaticFile(const StaticFile& file, const HttpRequest& request);

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_STATIC_FILES_H_
