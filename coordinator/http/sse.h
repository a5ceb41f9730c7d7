#ifndef GANTRY_COORDINATOR_HTTP_SSE_H_
#define GANTRY_COORDINATOR_HTTP_SSE_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "base/json.h"
#include "coordinator/http/http_message.h"

namespace gantry {

// Server-sent events, as OpenAI's clients read them. JSON on one line needs no other framing.
inline std::string SseEvent(const Json& json) {
  return absl::StrCat("data: ", DumpJson(json), "\n\n");
}
inline constexpr char kSseDone[] = "data: [DONE]\n\n";
// A comment, which tells client and proxies that the stream lives.
inline constexpr char kSseKeepAlive[] = ": keep-alive\n\n";

inline HttpResponse SseHead() {
  HttpResponse head;
  head.content_type = "text/event-stream; charset=utf-8";
  // The latter keeps nginx from collecting events.
  head.headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
  return head;
}

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_HTTP_SSE_H_
