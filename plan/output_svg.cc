#include "plan/output_svg.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "base/bytes.h"
#include "base/utf8.h"
#include "plan/explain.h"

namespace gantry {
namespace {

constexpr double kWidth = 960;
constexpr double kMargin = 24;
constexpr double kLabelWidth = 176;
constexpr double kRowHeight = 74;
constexpr double kBarHeight = 30;
constexpr double kHeader = 96;
constexpr size_t kMaxRows = 64;
constexpr double kMinBar = 0.12;  // of the width, for devices that are small beside the largest

constexpr char kLayerColor[] = "#3b6fb6";
constexpr char kOtherColor[] = "#7a5aa6";
constexpr char kCacheColor[] = "#4f9d69";
constexpr char kRestColor[] = "#d9a441";
constexpr char kFreeColor[] = "#eef1f4";

std::string Escape(absl::string_view text) {
  return absl::StrReplaceAll(ReplaceInvalidUtf8(text),
                             {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}});
}

class Picture {
 public:
  Picture(double width, double height) {
    svg_ = absl::StrFormat(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 "
        "%.0f %.0f\" font-family=\"Helvetica, Arial, sans-serif\">\n"
        "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n",
        width, height, width, height, width, height);
  }
  void Text(double x, double y, double size, absl::string_view color, absl::string_view text,
            bool bold = false) {
    absl::StrAppend(
        &svg_,
        absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.0f\" fill=\"%s\"%s>", x, y, size,
                        std::string(color), bold ? " font-weight=\"bold\"" : ""),
        Escape(text), "</text>\n");
  }
  void Box(double x, double y, double width, double height, absl::string_view color,
           absl::string_view title) {
    if (width <= 0) return;
    absl::StrAppend(
        &svg_,
        absl::StrFormat("<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                        "fill=\"%s\" stroke=\"#ffffff\" stroke-width=\"%s\">",
                        x, y, width, height, std::string(color), width > 3 ? "0.8" : "0"),
        "<title>", Escape(title), "</title></rect>\n");
  }
  void Frame(double x, double y, double width, double height, absl::string_view color) {
    absl::StrAppend(&svg_, absl::StrFormat("<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
                                           "height=\"%.2f\" fill=\"none\" stroke=\"%s\"/>\n",
                                           x, y, width, height, std::string(color)));
  }
  std::string Finish() { return absl::StrCat(svg_, "</svg>\n"); }

 private:
  std::string svg_;
};

void DrawDevice(const PlannerModel& model, const PlanResult& result, int d, double top,
                double bytes_scale, Picture* picture) {
  const HardwareDevice& device = result.hardware.devices[d];
  const DeviceLoad& load = result.plan.loads[d];
  std::vector<int> units;
  for (int u = 0; u < static_cast<int>(result.plan.device_of.size()); ++u) {
    if (result.plan.device_of[u] == d) units.push_back(u);
  }
  const double full = std::max<double>(static_cast<double>(load.capacity_bytes), 1);
  const double width = std::max(kMinBar * (kWidth - 2 * kMargin - kLabelWidth), full * bytes_scale);
  const double scale = width / std::max(full, static_cast<double>(load.total_bytes()));
  const double left = kMargin + kLabelWidth;
  picture->Text(kMargin, top + 14, 14, "#1c2733", DeviceTitle(device), true);
  picture->Text(kMargin, top + 30, 11, "#5b6875",
                device.product.empty()
                    ? FormatBytes(device.memory_bytes)
                    : absl::StrCat(device.product, ", ", FormatBytes(device.memory_bytes)));
  picture->Box(left, top, width, kBarHeight, kFreeColor, "free");
  double x = left;
  const auto add = [&](uint64_t bytes, absl::string_view color, absl::string_view title) {
    const double wide = static_cast<double>(bytes) * scale;
    picture->Box(x, top, wide, kBarHeight, color, absl::StrCat(title, ": ", FormatBytes(bytes)));
    x += wide;
  };
  const int kind = result.costs.kind_of(d);
  for (int u : units) {
    const int tied = result.costs.tied_unit[u];
    if (tied >= 0 && std::binary_search(units.begin(), units.end(), tied)) continue;
    const bool layer = model.tree.units[u].kind == UnitKind::kDecoderLayer ||
                       model.tree.units[u].kind == UnitKind::kEncoderLayer;
    add(result.costs.weights[kind][u], layer ? kLayerColor : kOtherColor, model.tree.units[u].name);
  }
  add(load.kv_cache_bytes, kCacheColor, "keys and values");
  add(load.activations_bytes + load.overhead_bytes, kRestColor, "activations and the process");
  picture->Frame(left, top, width, kBarHeight, load.fits() ? "#9aa6b2" : "#c0392b");
  std::string line = units.empty() ? std::string("nothing") : DescribeUnits(model.tree, units);
  absl::StrAppend(&line, load.fits()
                             ? absl::StrCat("; ", FormatBytes(load.free_bytes()), " free")
                             : absl::StrCat("; ", FormatBytes(load.missing_bytes()), " too much"));
  if (load.decode_s > 0) absl::StrAppend(&line, "; ", FormatSeconds(load.decode_s), " a step");
  picture->Text(left, top + kBarHeight + 16, 12, load.fits() ? "#33414e" : "#c0392b", line);
}

void DrawLegend(double y, Picture* picture) {
  double x = kMargin + kLabelWidth;
  for (const auto& [color, name] : {std::pair<const char*, const char*>{kLayerColor, "layers"},
                                    {kOtherColor, "embedding and head"},
                                    {kCacheColor, "keys and values"},
                                    {kRestColor, "activations and the process"},
                                    {kFreeColor, "free"}}) {
    picture->Box(x, y, 12, 12, color, name);
    picture->Frame(x, y, 12, 12, "#9aa6b2");
    picture->Text(x + 17, y + 10.5, 12, "#33414e", name);
    x += 34 + 6.6 * static_cast<double>(absl::string_view(name).size());
  }
}

}  // namespace

std::string FormatPlanSvg(const PlannerModel& model, const PlanResult& result,
                          const PlanReport& report) {
  std::vector<int> shown;
  for (int d = 0; d < static_cast<int>(result.plan.loads.size()); ++d) {
    if (shown.size() < kMaxRows &&
        (result.plan.loads[d].used || result.plan.loads.size() <= kMaxRows / 4)) {
      shown.push_back(d);
    }
  }
  double largest = 1;
  for (int d : shown) {
    largest = std::max(largest, static_cast<double>(result.hardware.devices[d].memory_bytes));
  }
  const size_t text_rows = result.fits() ? 0 : 1 + report.suggestions.size();
  const double height = kHeader + kRowHeight * static_cast<double>(shown.size()) + 44 +
                        18 * static_cast<double>(text_rows);
  Picture picture(kWidth, height);
  picture.Text(kMargin, 34, 20, "#1c2733", model.name, true);
  picture.Text(
      kMargin, 54, 13, "#5b6875",
      absl::StrCat(FormatParameters(model.tree.parameters), " parameters, ",
                   FormatName(result.workload.format), "; context ", result.workload.shape.context,
                   " x batch ", result.workload.shape.batch));
  const PlanPrediction& predicted = result.plan.predicted;
  picture.Text(kMargin, 74, 13, result.fits() ? "#2d6a4f" : "#c0392b",
               result.fits()
                   ? absl::StrCat("Fits. Predicted: decode ",
                                  FormatSpeed(predicted.decode_tokens_per_s), " tokens/s, prefill ",
                                  FormatSpeed(predicted.prefill_tokens_per_s), " tokens/s")
                   : absl::StrCat("Does not fit: ", result.error.substr(0, 130)));
  const double bytes_scale = (kWidth - 2 * kMargin - kLabelWidth) / largest;
  double top = kHeader;
  for (int d : shown) {
    DrawDevice(model, result, d, top, bytes_scale, &picture);
    top += kRowHeight;
  }
  if (!shown.empty()) {
    DrawLegend(top, &picture);
    top += 40;
  }
  if (!result.fits() && !report.suggestions.empty()) {
    picture.Text(kMargin, top, 12, "#33414e", "It would with:", true);
    for (const PlanSuggestion& suggestion : report.suggestions) {
      top += 18;
      picture.Text(kMargin + 12, top, 12, "#33414e", suggestion.change);
    }
  }
  return picture.Finish();
}

}  // namespace gantry
