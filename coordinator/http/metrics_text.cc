#include "coordinator/http/metrics_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace gantry {
namespace {

class Writer {
 public:
  explicit Writer(const std::string& model)
      : labels_(absl::StrCat(
            "{model_name=\"",
            absl::StrReplaceAll(model, {{"\\", "\\\\"}, {"\"", "\\\""}, {"\n", "\\n"}}), "\"}")) {}

  void Gauge(absl::string_view name, absl::string_view help, double value) {
    Add(name, "gauge", help, value);
  }
  void Counter(absl::string_view name, absl::string_view help, uint64_t value) {
    Add(name, "counter", help, value);
  }
  std::string Take() { return std::move(text_); }

 private:
  template <typename Number>
  void Add(absl::string_view name, absl::string_view type, absl::string_view help, Number value) {
    absl::StrAppend(&text_, "# HELP gantry_", name, " ", help, "\n# TYPE gantry_", name, " ", type,
                    "\ngantry_", name, labels_, " ", value, "\n");
  }
  const std::string labels_;
  std::string text_;
};

}  // namespace

std::string MetricsText(const v1::GetStatusResponse& status) {
  const v1::Counters& counters = status.counters();
  const double blocks = counters.kv_blocks_total();
  Writer out(status.model());
  out.Gauge("ready", "Whether a placement is in force.", status.ready());
  out.Gauge("num_requests_running", "Requests that run.", counters.requests_running());
  out.Gauge("num_requests_waiting", "Requests in the queue.", counters.requests_waiting());
  out.Gauge("kv_cache_usage_perc", "Share of the blocks of keys and values in use, 0 to 1.",
            blocks > 0 ? counters.kv_blocks_used() / blocks : 0);
  out.Counter("prompt_tokens_total", "Tokens of prompts.", counters.prompt_tokens());
  out.Counter("generation_tokens_total", "Tokens generated.", counters.generated_tokens());
  out.Counter("requests_finished_total", "Requests that got their whole answer.",
              counters.requests_finished());
  out.Counter("requests_failed_total", "Requests that an error ended.", counters.requests_failed());
  out.Counter("requests_cancelled_total", "Requests that their client or a deadline ended.",
              counters.requests_cancelled());
  out.Counter("requests_rejected_total", "Requests that the queue had no room for.",
              counters.requests_rejected());
  out.Counter("steps_total", "Steps sent to the workers.", counters.steps());
  out.Gauge("steps_in_flight", "Steps on their way.", counters.steps_in_flight());
  out.Gauge("plan_epoch", "Number of the placement in force.", status.epoch());
  return out.Take();
}

}  // namespace gantry
