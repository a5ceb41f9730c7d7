#ifndef GANTRY_TESTS_KERNELS_CUDA_ATTENTION_WORLD_H_
#define GANTRY_TESTS_KERNELS_CUDA_ATTENTION_WORLD_H_

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/rotation.h"
#include "tests/kernels/cuda/device_testing.h"

namespace gantry {

struct AttentionCase {
  CudaType type = CudaType::kBFloat16;
  CudaType kv_type = CudaType::kBFloat16;
  int heads = 8;
  int kv_heads = 2;
  int head_dim = 128;
  int block_size = 16;
  int sliding_window = 0;
  int half_rotary = 64;
  int architecture = 0;  // 0: the device's own
};

// Sequences whose keys and values lie in a cache on the device and, in the same precision, on the
// host, where a slow attention in double checks every step.
class AttentionWorld {
 public:
  struct Slice {
    int sequence;
    int rows;
  };

  AttentionWorld(const AttentionCase& shape, int sequences, int most_positions)
      : shape_(shape),
        blocks_each_((most_positions + shape.block_size - 1) / shape.block_size),
        blocks_(sequences * blocks_each_),
        keys_(CacheBytes(sequences)),
        values_(CacheBytes(sequences)),
        sequences_(sequences) {
    std::iota(blocks_.begin(), blocks_.end(), 0);
    std::shuffle(blocks_.begin(), blocks_.end(), TestRandom());
    for (int i = 0; i < shape.half_rotary; ++i) {
      inv_freq_.push_back(std::pow(10000.0f, -static_cast<float>(i) / shape.half_rotary));
    }
    CudaAttention attention = Attention();
    workspace_ = std::make_unique<DeviceMemory>(AttentionWorkspaceBytes(attention, 1 << 20));
    ExpectCuda(cudaMemset(workspace_->data(), 0, workspace_->bytes()));
  }

  // Random keys and values for the next positions of a sequence, without a step.
  void Remember(int sequence, int positions) {
    const size_t width = shape_.kv_heads * shape_.head_dim;
    std::vector<char> keys = FromDevice<char>(keys_);
    std::vector<char> values = FromDevice<char>(values_);
    for (int i = 0; i < positions; ++i) {
      const int position = Length(sequence);
      for (auto [cache, host] : {std::pair(&keys, &sequences_[sequence].keys),
                                 {&values, &sequences_[sequence].values}}) {
        const std::vector<float> random = Rounded(shape_.kv_type, RandomFloats(width));
        host->insert(host->end(), random.begin(), random.end());
        const std::vector<char> bytes = Encoded(shape_.kv_type, random);
        const size_t head_bytes = shape_.head_dim * CudaTypeSize(shape_.kv_type);
        for (int head = 0; head < shape_.kv_heads; ++head) {
          std::memcpy(cache->data() + At(sequence, position, head) * head_bytes,
                      bytes.data() + head * head_bytes, head_bytes);
        }
      }
    }
    Copy(keys, keys_);
    Copy(values, values_);
  }

  int Length(int sequence) const {
    return sequences_[sequence].keys.size() / (shape_.kv_heads * shape_.head_dim);
  }

  // From now on steps are recorded and replayed twice.
  void Record() { recorded_ = true; }

  // Random q, k, v of some rows.
  std::vector<float> RandomQkv(int rows) const {
    return Rounded(shape_.type,
                   RandomFloats(rows * (shape_.heads + 2 * shape_.kv_heads) * shape_.head_dim));
  }

  // One step: [rows, heads * head_dim]. Checks it, and what it stored, against the host.
  std::vector<float> Run(const std::vector<Slice>& slices, const std::vector<float>& qkv,
                         bool deterministic = false) {
    const std::vector<float> out = RunUnchecked(slices, qkv, deterministic);
    Check(slices, qkv, out);
    return out;
  }

  // Leaves the sequences as long as they were.
  std::vector<float> RunUnchecked(const std::vector<Slice>& slices, const std::vector<float>& qkv,
                                  bool deterministic = false) {
    std::vector<int32_t> positions, row_slices, first_rows, slice_rows, first_blocks, table;
    int longest = 1;
    for (size_t i = 0; i < slices.size(); ++i) {
      const int start = Length(slices[i].sequence);
      first_rows.push_back(positions.size());
      slice_rows.push_back(slices[i].rows);
      first_blocks.push_back(table.size());
      for (int row = 0; row < slices[i].rows; ++row) {
        positions.push_back(start + row);
        row_slices.push_back(i);
      }
      const int end = start + slices[i].rows;
      longest = std::max(longest, end);
      for (int block = 0; block * shape_.block_size < end; ++block) {
        table.push_back(blocks_[slices[i].sequence * blocks_each_ + block]);
      }
    }
    const int rows = positions.size();
    DeviceStep step;
    step.rows = rows;
    step.slices = slices.size();
    step.all_single = rows == static_cast<int>(slices.size());
    for (step.context_bound = 1; step.context_bound < longest;) step.context_bound *= 2;
    step.half_rotary = shape_.half_rotary;
    const DeviceMemory d_positions = OnDevice(positions), d_row_slices = OnDevice(row_slices),
                       d_first_rows = OnDevice(first_rows), d_slice_rows = OnDevice(slice_rows),
                       d_first_blocks = OnDevice(first_blocks), d_table = OnDevice(table),
                       d_ropes = OnDevice(std::vector<int32_t>(slices.size(), 0)),
                       d_inv_freq = OnDevice(inv_freq_),
                       d_scales = OnDevice(std::vector<float>{kRopeScale}),
                       d_halves = OnDevice(std::vector<int32_t>{shape_.half_rotary}),
                       d_rotation(rows * 2 * shape_.half_rotary * sizeof(float));
    step.positions = d_positions.as<int32_t>();
    step.row_slices = d_row_slices.as<int32_t>();
    step.slice_first_rows = d_first_rows.as<int32_t>();
    step.slice_rows = d_slice_rows.as<int32_t>();
    step.slice_first_blocks = d_first_blocks.as<int32_t>();
    step.slice_ropes = d_ropes.as<int32_t>();
    step.block_table = d_table.as<int32_t>();
    step.inv_freq = d_inv_freq.as<float>();
    step.rope_scales = d_scales.as<float>();
    step.rope_halves = d_halves.as<int32_t>();
    step.rotation = d_rotation.as<float>();

    const DeviceMemory d_qkv = OnDevice(shape_.type, qkv);
    const DeviceMemory d_out(rows * shape_.heads * shape_.head_dim * CudaTypeSize(shape_.type));
    CudaAttention attention = Attention();
    attention.qkv = d_qkv.data();
    attention.out = d_out.data();
    attention.keys = keys_.data();
    attention.values = values_.data();
    attention.workspace = workspace_->data();
    const auto launch = [&](cudaStream_t stream) {
      ExpectCuda(LaunchRotation(step, stream));
      ExpectCuda(LaunchAttention(step, attention, deterministic, stream));
    };
    if (recorded_) {
      Replay(launch);
    } else {
      launch(nullptr);
    }
    ExpectCuda(cudaDeviceSynchronize());
    return FromDevice(shape_.type, d_out);
  }

  // What is remembered, to run from there again.
  struct Sequence {
    std::vector<float> keys;  // [positions, kv_heads, head_dim]
    std::vector<float> values;
  };
  struct State {
    std::vector<Sequence> sequences;
    std::vector<char> keys;
    std::vector<char> values;
  };
  State Save() const { return {sequences_, FromDevice<char>(keys_), FromDevice<char>(values_)}; }
  void Restore(const State& state) {
    sequences_ = state.sequences;
    Copy(state.keys, keys_);
    Copy(state.values, values_);
  }

 private:
  static constexpr float kRopeScale = 1.25f;
  static constexpr int kRowsToCheck = 200;  // of a step, about

  size_t CacheBytes(int sequences) const {
    return size_t{1} * sequences * blocks_each_ * shape_.kv_heads * shape_.block_size *
           shape_.head_dim * CudaTypeSize(shape_.kv_type);
  }
  // Heads before that of a position in the cache.
  size_t At(int sequence, int position, int head) const {
    const size_t block = blocks_[sequence * blocks_each_ + position / shape_.block_size];
    return (block * shape_.kv_heads + head) * shape_.block_size + position % shape_.block_size;
  }
  static void Copy(const std::vector<char>& from, const DeviceMemory& to) {
    ExpectCuda(cudaMemcpy(to.data(), from.data(), from.size(), cudaMemcpyHostToDevice));
  }

  template <typename Launch>
  static void Replay(Launch launch) {
    cudaStream_t stream = nullptr;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t recording = nullptr;
    ExpectCuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    ExpectCuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    launch(stream);
    ExpectCuda(cudaStreamEndCapture(stream, &graph));
    ExpectCuda(cudaGraphInstantiate(&recording, graph, 0));
    for (int i = 0; i < 2; ++i) ExpectCuda(cudaGraphLaunch(recording, stream));
    ExpectCuda(cudaStreamSynchronize(stream));
    ExpectCuda(cudaGraphExecDestroy(recording));
    ExpectCuda(cudaGraphDestroy(graph));
    ExpectCuda(cudaStreamDestroy(stream));
  }

  CudaAttention Attention() const {
    CudaAttention attention;
    attention.type = shape_.type;
    attention.kv_type = shape_.kv_type;
    attention.architecture = shape_.architecture;
    if (shape_.architecture == 0) {
      int major = 0, minor = 0;
      ExpectCuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
      ExpectCuda(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0));
      attention.architecture = 10 * major + minor;
    }
    attention.heads = shape_.heads;
    attention.kv_heads = shape_.kv_heads;
    attention.head_dim = shape_.head_dim;
    attention.block_size = shape_.block_size;
    attention.sliding_window = shape_.sliding_window;
    attention.scale = 1 / std::sqrt(static_cast<float>(shape_.head_dim));
    EXPECT_TRUE(SupportsAttention(attention));
    return attention;
  }

  std::vector<float> RotatedHead(const float* head, int position) const {
    std::vector<float> out(head, head + shape_.head_dim);
    const int half = shape_.half_rotary;
    for (int i = 0; i < half; ++i) {
      const float angle = static_cast<float>(position) * inv_freq_[i];
      const double c = std::cos(static_cast<double>(angle)) * kRopeScale;
      const double s = std::sin(static_cast<double>(angle)) * kRopeScale;
      out[i] = static_cast<float>(head[i] * c - head[i + half] * s);
      out[i + half] = static_cast<float>(head[i + half] * c + head[i] * s);
    }
    return out;
  }

  double Tolerance() const {
    const double error = std::max(Epsilon(shape_.type), Epsilon(shape_.kv_type));
    return error == Epsilon(CudaType::kFloat) ? 5e-6 : 1.5 * error;
  }

  void Check(const std::vector<Slice>& slices, const std::vector<float>& qkv,
             const std::vector<float>& out) {
    const std::vector<float> keys = FromDevice(shape_.kv_type, keys_);
    const std::vector<float> values = FromDevice(shape_.kv_type, values_);
    const int dim = shape_.head_dim;
    const int stride = (shape_.heads + 2 * shape_.kv_heads) * dim;
    const int all = out.size() / (shape_.heads * dim);
    int row = 0;
    for (const Slice& slice : slices) {
      Sequence& sequence = sequences_[slice.sequence];
      for (int i = 0; i < slice.rows; ++i, ++row) {
        const int position = Length(slice.sequence);
        const float* q = qkv.data() + row * stride;
        for (int head = 0; head < shape_.kv_heads; ++head) {
          const float* k = q + (shape_.heads + head) * dim;
          const float* v = k + shape_.kv_heads * dim;
          const std::vector<float> rotated = RotatedHead(k, position);
          const size_t at = At(slice.sequence, position, head) * dim;
          for (int d = 0; d < dim; ++d) {
            // Rounding may go the other way; what follows takes the device's own.
            ASSERT_NEAR(keys[at + d], rotated[d],
                        1.1 * Epsilon(shape_.kv_type) * std::abs(rotated[d]) + 2e-6)
                << "key at position " << position << ", head " << head << ", element " << d;
            ASSERT_EQ(values[at + d], RoundTo(shape_.kv_type, v[d]))
                << "value at position " << position << ", head " << head << ", element " << d;
          }
          sequence.keys.insert(sequence.keys.end(), &keys[at], &keys[at] + dim);
          sequence.values.insert(sequence.values.end(), &values[at], &values[at] + dim);
        }
        if (RandomInt(1, all) > kRowsToCheck && i + 1 < slice.rows) continue;
        std::vector<float> expected;
        for (int head = 0; head < shape_.heads; ++head) {
          const std::vector<float> one = Attend(sequence, q + head * dim, position, head);
          expected.insert(expected.end(), one.begin(), one.end());
        }
        const auto begin = out.begin() + row * shape_.heads * dim;
        const double error =
            RelativeError(std::vector<float>(begin, begin + shape_.heads * dim), expected);
        ASSERT_LE(error, Tolerance()) << "row " << row << " at position " << position;
        ASSERT_FALSE(std::isnan(error)) << "row " << row << " at position " << position;
      }
    }
  }

  std::vector<float> Attend(const Sequence& sequence, const float* head_of_q, int position,
                            int head) const {
    const int dim = shape_.head_dim;
    const int width = shape_.kv_heads * dim;
    const int kv_at = head / (shape_.heads / shape_.kv_heads) * dim;
    const std::vector<float> q = Rounded(shape_.type, RotatedHead(head_of_q, position));
    const int window = shape_.sliding_window;
    const int begin = window > 0 ? std::max(0, position + 1 - window) : 0;
    std::vector<double> weights;
    double max = -1e300;
    for (int p = begin; p <= position; ++p) {
      double score = 0;
      for (int d = 0; d < dim; ++d) score += double{q[d]} * sequence.keys[p * width + kv_at + d];
      weights.push_back(score / std::sqrt(static_cast<double>(dim)));
      max = std::max(max, weights.back());
    }
    double total = 0;
    std::vector<double> sum(dim);
    for (int p = begin; p <= position; ++p) {
      const double weight = std::exp(weights[p - begin] - max);
      total += weight;
      for (int d = 0; d < dim; ++d) sum[d] += weight * sequence.values[p * width + kv_at + d];
    }
    std::vector<float> out(dim);
    for (int d = 0; d < dim; ++d) out[d] = static_cast<float>(sum[d] / total);
    return out;
  }

  AttentionCase shape_;
  int blocks_each_;
  std::vector<int32_t> blocks_;  // [sequences, blocks_each]
  DeviceMemory keys_;
  DeviceMemory values_;
  std::vector<Sequence> sequences_;
  std::vector<float> inv_freq_;
  std::unique_ptr<DeviceMemory> workspace_;
  bool recorded_ = false;
};

}  // namespace gantry

#endif  // GANTRY_TESTS_KERNELS_CUDA_ATTENTION_WORLD_H_
