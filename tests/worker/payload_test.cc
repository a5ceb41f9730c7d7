#include "worker/payload.h"

#include <string>

#include "gtest/gtest.h"
#include "kernels/reference/reference_backend.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

std::string Text(const std::vector<grpc::Slice>& payload) {
  std::string text;
  for (const grpc::Slice& slice : payload) {
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return text;
}

TEST(PayloadTest, RunsThatTouchAreOne) {
  std::vector<RowRun> runs;
  AppendRun({0, 2}, &runs);
  AppendRun({2, 0}, &runs);
  AppendRun({2, 3}, &runs);
  AppendRun({6, 1}, &runs);
  ASSERT_EQ(runs.size(), 2);
  EXPECT_EQ(runs[0].count, 5);
  EXPECT_EQ(runs[1].first, 6);
}

TEST(PayloadTest, UploadsRowsWhereverThePayloadIsCut) {
  const std::unique_ptr<Backend> backend = MakeReferenceBackend();
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Buffer> buffer, backend->Allocate(12));
  const std::string rows = "aaabbbcccdddeee";
  for (size_t first = 0; first <= rows.size(); ++first) {
    for (size_t second = first; second <= rows.size(); ++second) {
      const std::vector<grpc::Slice> payload = {grpc::Slice(rows.substr(0, first)),
                                                grpc::Slice(rows.substr(first, second - first)),
                                                grpc::Slice(rows.substr(second))};
      const std::vector<RowRun> runs = {{0, 1}, {2, 2}, {4, 1}};
      GANTRY_ASSERT_OK(UploadRows(payload, runs, 3, backend.get(), buffer.get()));
      EXPECT_EQ(std::string(buffer->as<char>(), 12), "aaacccdddeee");
    }
  }
}

TEST(PayloadTest, ConvertsRowsWhereverThePayloadIsCut) {
  constexpr int64_t kColumns = 3;
  constexpr DType kTypes[] = {DType::kF32, DType::kBF16, DType::kF16};
  std::vector<float> values;
  for (int i = 0; i < 5 * kColumns; ++i) values.push_back(1.0f / (i + 3));
  const std::vector<RowRun> runs = {{0, 1}, {2, 2}, {4, 1}};
  RowConverter converter;
  for (const DType from : kTypes) {
    std::string rows(values.size() * DTypeSize(from), '\0');
    FromFloat(from, values.data(), values.size(), rows.data());
    for (const DType to : kTypes) {
      std::vector<float> expected;
      for (const RowRun& run : runs) {
        expected.insert(expected.end(), values.begin() + run.first * kColumns,
                        values.begin() + (run.first + run.count) * kColumns);
      }
      RoundFloats(from, expected.size(), expected.data());
      RoundFloats(to, expected.size(), expected.data());
      for (size_t cut = 0; cut <= rows.size(); ++cut) {
        const std::vector<grpc::Slice> payload = {grpc::Slice(rows.substr(0, cut)),
                                                  grpc::Slice(rows.substr(cut))};
        const absl::Span<const char> made = converter.Convert(payload, runs, kColumns, from, to);
        ASSERT_EQ(made.size(), expected.size() * DTypeSize(to));
        std::vector<float> found(expected.size());
        ToFloat(to, made.data(), found.size(), found.data());
        ASSERT_EQ(found, expected) << DTypeName(from) << " to " << DTypeName(to) << ", " << cut;
      }
    }
  }
}

TEST(PayloadTest, DownloadsRuns) {
  const std::unique_ptr<Backend> backend = MakeReferenceBackend();
  GANTRY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Buffer> buffer, backend->Allocate(9));
  GANTRY_ASSERT_OK(backend->Upload(absl::MakeConstSpan("aaabbbccc", 9), buffer.get(), 0));
  StepFrame frame;
  const std::vector<RowRun> runs = {{0, 1}, {2, 1}};
  GANTRY_ASSERT_OK(DownloadRows(*buffer, runs, 3, backend.get(), &frame));
  EXPECT_EQ(Text(frame.payload), "aaaccc");
  GANTRY_ASSERT_OK(DownloadRows(*buffer, {}, 3, backend.get(), &frame));
  EXPECT_EQ(frame.payload_bytes(), 0);
}

}  // namespace
}  // namespace gantry
