#include "proto/step_frame.h"

#include <string>
#include <vector>

#include "google/protobuf/util/message_differencer.h"
#include "tests/status_matchers.h"

namespace gantry {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::_;
using ::testing::HasSubstr;

std::string Join(const std::vector<grpc::Slice>& slices) {
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(slice.begin(), slice.end());
  return bytes;
}

std::vector<grpc::Slice> Cut(const std::string& bytes, size_t piece) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    slices.emplace_back(bytes.substr(at, piece));
  }
  return slices;
}

v1::StepHeader Header() {
  v1::StepHeader header;
  header.set_epoch(3);
  header.set_step(uint64_t{1} << 40);
  header.set_stage(1);
  header.set_dtype("F32");
  header.set_rows(2);
  header.set_cols(64);
  v1::SequenceSlice* slice = header.add_slices();
  slice->set_sequence(7);
  for (int i = 0; i < 100; ++i) slice->add_token_ids(1000 * i);
  slice->set_following_token(-1);
  header.add_released(5);
  return header;
}

// All 256 bytes, so that a payload looks like anything.
std::string Payload(size_t bytes) {
  std::string payload(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) payload[i] = static_cast<char>(i * 37);
  return payload;
}

v1::StepFrame Message(size_t payload_bytes) {
  v1::StepFrame message;
  *message.mutable_header() = Header();
  message.set_payload(Payload(payload_bytes));
  return message;
}

StepFrame Frame(size_t payload_bytes, size_t piece) {
  StepFrame frame;
  frame.header = Header();
  frame.payload = Cut(Payload(payload_bytes), piece);
  return frame;
}

TEST(StepFrameTest, EncodesTheBytesOfTheProtobufMessage) {
  for (size_t bytes : {0, 1, 127, 128, 512, 16384, 100000}) {
    EXPECT_EQ(Join(EncodeStepFrame(Frame(bytes, 1000))), Message(bytes).SerializeAsString())
        << bytes;
  }
}

TEST(StepFrameTest, DecodesTheBytesOfTheProtobufMessageHoweverTheyAreCut) {
  for (size_t bytes : {0, 1, 127, 128, 512, 16384}) {
    const std::string wire = Message(bytes).SerializeAsString();
    for (size_t piece : {size_t{1}, size_t{2}, size_t{7}, size_t{1000}, wire.size()}) {
      StepFrame frame;
      GANTRY_ASSERT_OK(DecodeStepFrame(Cut(wire, piece), &frame));
      EXPECT_TRUE(MessageDifferencer::Equals(frame.header, Header()));
      EXPECT_EQ(Join(frame.payload), Payload(bytes));
      EXPECT_EQ(frame.payload_bytes(), bytes);
    }
  }
}

TEST(StepFrameTest, EmptySlicesAreNothing) {
  std::vector<grpc::Slice> slices;
  for (const grpc::Slice& slice : Cut(Message(64).SerializeAsString(), 5)) {
    slices.emplace_back();
    slices.push_back(slice);
  }
  slices.emplace_back();
  StepFrame frame;
  GANTRY_ASSERT_OK(DecodeStepFrame(slices, &frame));
  EXPECT_EQ(Join(frame.payload), Payload(64));
}

TEST(StepFrameTest, PayloadIsShared) {
  const StepFrame frame = Frame(100000, 100000);
  const std::vector<grpc::Slice> encoded = EncodeStepFrame(frame);
  ASSERT_EQ(encoded.size(), 2);
  EXPECT_EQ(encoded[1].begin(), frame.payload[0].begin());
  StepFrame decoded;
  GANTRY_ASSERT_OK(DecodeStepFrame(encoded, &decoded));
  ASSERT_EQ(decoded.payload.size(), 1);
  EXPECT_EQ(decoded.payload[0].begin(), frame.payload[0].begin());
}

TEST(StepFrameTest, AllocatedPayloadIsWhatIsWritten) {
  StepFrame frame = Frame(8, 3);
  std::string bytes = "sixteen letters.";
  std::copy(bytes.begin(), bytes.end(), frame.AllocatePayload(bytes.size()));
  EXPECT_EQ(Join(frame.payload), bytes);
  EXPECT_EQ(frame.payload_bytes(), bytes.size());
}

TEST(StepFrameTest, DecodeReplacesWhatTheFrameHeld) {
  StepFrame frame = Frame(8, 3);
  GANTRY_ASSERT_OK(DecodeStepFrame({}, &frame));
  EXPECT_EQ(frame.header.ByteSizeLong(), 0);
  EXPECT_EQ(frame.payload_bytes(), 0);
}

// Cut off anywhere but between its fields, the frame is refused, exactly when protobuf refuses it.
TEST(StepFrameTest, TruncationsAgreeWithProtobuf) {
  const std::string wire = Message(200).SerializeAsString();
  int accepted = 0;
  for (size_t length = 0; length < wire.size(); ++length) {
    const std::string part = wire.substr(0, length);
    StepFrame frame;
    const bool ours = DecodeStepFrame(Cut(part, 11), &frame).ok();
    EXPECT_EQ(ours, v1::StepFrame().ParseFromString(part)) << length;
    accepted += ours;
  }
  EXPECT_EQ(accepted, 2);  // nothing at all, and the header alone
}

TEST(StepFrameTest, LengthsBeyondTheFrame) {
  const std::string huge = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";  // 2^64 - 1
  StepFrame frame;
  for (const std::string& wire :
       {"\x0a\x05" + std::string("ab"), "\x0a" + huge, "\x12\x05" + std::string("ab"),
        "\x12" + huge, "\x1a" + huge, "\x1a\x05" + std::string("ab")}) {
    EXPECT_THAT(DecodeStepFrame(Cut(wire, 3), &frame),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("malformed step frame")));
  }
}

TEST(StepFrameTest, EndlessVarints) {
  StepFrame frame;
  for (const std::string& start : {std::string(), std::string("\x0a"), std::string("\x18")}) {
    EXPECT_THAT(DecodeStepFrame(Cut(start + std::string(11, '\xff'), 4), &frame),
                StatusIs(absl::StatusCode::kInvalidArgument, _));
  }
}

TEST(StepFrameTest, HeaderThatIsNoHeader) {
  StepFrame frame;
  EXPECT_THAT(DecodeStepFrame(Cut(std::string("\x0a\x02\x0f\x0f"), 4), &frame),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("does not parse")));
}

TEST(StepFrameTest, UnknownFieldsAreSkipped) {
  const std::string varint("\x18\x96\x01", 3);  // field 3
  const std::string fixed64(
      "\x21"
      "12345678",
      9);  // field 4
  const std::string bytes(
      "\x2a\x03"
      "abc",
      5);  // field 5
  const std::string fixed32(
      "\x35"
      "1234",
      5);                                          // field 6
  const std::string wide_tag("\xaa\x01\x01x", 4);  // field 21
  const std::string known = Message(33).SerializeAsString();
  StepFrame frame;
  GANTRY_ASSERT_OK(
      DecodeStepFrame(Cut(varint + fixed64 + bytes + known + fixed32 + wide_tag, 2), &frame));
  EXPECT_TRUE(MessageDifferencer::Equals(frame.header, Header()));
  EXPECT_EQ(Join(frame.payload), Payload(33));
}

TEST(StepFrameTest, FieldsOfUnknownWireTypesAreRefused) {
  StepFrame frame;
  for (const char* wire : {"\x1b", "\x1c", "\x1e", "\x1f"}) {  // groups, and types 6 and 7
    EXPECT_THAT(DecodeStepFrame(Cut(wire, 1), &frame),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tag")));
  }
}

// The last payload counts, as with any protobuf field that is no list.
TEST(StepFrameTest, RepeatedPayload) {
  StepFrame frame;
  GANTRY_ASSERT_OK(DecodeStepFrame(Cut("\x12\x01"
                                       "a"
                                       "\x12\x02"
                                       "bc",
                                       2),
                                   &frame));
  EXPECT_EQ(Join(frame.payload), "bc");
}

}  // namespace
}  // namespace gantry
