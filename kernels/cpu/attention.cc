#include "kernels/cpu/attention.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace gantry {
namespace {

constexpr int64_t kBlocksAhead = 2;

int64_t BlockOf(const StepLayout& layout, const StepLayout::Slice& slice, int64_t index) {
  return layout.block_table[slice.first_block + index];
}

// Asks for `count` floats ahead of their use. The hardware's own prefetch ends with a page, and the
// blocks of a sequence lie anywhere.
void Prefetch(const float* data, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) __builtin_prefetch(data + i);
}

void Rotate(const Rotation& rotation, float* head) {
  for (int64_t i = 0; i < rotation.half; ++i) {
    const float first = head[i];
    const float second = head[i + rotation.half];
    head[i] = first * rotation.cosines[i] - second * rotation.sines[i];
    head[i + rotation.half] = second * rotation.cosines[i] + first * rotation.sines[i];
  }
}

}  // namespace

// Floats of a thread's scratch.
struct CpuAttention::Sizes {
  Sizes(int64_t tile_rows, int64_t keys, int64_t head_dim)
      // Blocks are written whole lanes at a time and the first one starts within the lanes.
      : row_scores(KvBlocks::RoundUp(keys) + 2 * kLanes),
        queries(tile_rows * head_dim),
        scores(tile_rows * row_scores),
        sums(tile_rows * KvBlocks::RoundUp(head_dim)) {}
  int64_t total() const { return KvBlocks::RoundUp(queries) + scores + sums; }

  int64_t row_scores;  // from one row's scores to the next
  int64_t queries;
  int64_t scores;
  int64_t sums;
};

absl::Status CpuAttention::Run(const AttentionArgs& args, const StepLayout& layout,
                               RotationOf rotation) {
  const int64_t group = args.heads / args.kv_heads;
  std::vector<Tile> tiles;
  int64_t most_keys = 0;
  for (const StepLayout::Slice& slice : layout.slices) {
    RotateAndStore(args, layout, slice, rotation);
    const int64_t rows = slice.rows * group;
    for (int64_t first = 0; first < rows; first += isa_.tile_rows) {
      for (int64_t head = 0; head < args.kv_heads; ++head) {
        tiles.push_back({&slice, head, first, std::min<int64_t>(isa_.tile_rows, rows - first)});
      }
    }
    const int64_t end = int64_t{slice.start_position} + slice.rows;
    most_keys = std::max(most_keys, end);
  }
  const int64_t block_size = static_cast<const KvBlocks&>(*args.cache).shape().block_size;
  const Sizes sizes(isa_.tile_rows, most_keys + block_size, args.head_dim);
  GANTRY_ASSIGN_OR_RETURN(float* scratch, scratch_.Reserve(pool_.threads() * sizes.total()));
  pool_.ParallelFor(tiles.size(), 1, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; ++i) {
      RunTile(args, layout, tiles[i], scratch + thread * sizes.total(), sizes);
    }
  });
  return absl::OkStatus();
}

void CpuAttention::RotateAndStore(const AttentionArgs& args, const StepLayout& layout,
                                  const StepLayout::Slice& slice, RotationOf rotation) {
  const auto& cache = static_cast<const KvBlocks&>(*args.cache);
  const int64_t dim = args.head_dim;
  const int64_t slots = KvBlocks::Slots(cache.shape());
  const int64_t value_dim = KvBlocks::ValueDim(cache.shape());
  pool_.ParallelFor(slice.rows, 16, [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      float* q =
          args.qkv->as<float>() + (slice.first_row + row) * (args.heads + 2 * args.kv_heads) * dim;
      const Rotation turn = rotation(slice, row);
      for (int64_t head = 0; head < args.heads + args.kv_heads; ++head) {
        Rotate(turn, q + head * dim);
      }
      const int64_t position = slice.start_position + row;
      const int64_t block = BlockOf(layout, slice, position / cache.shape().block_size);
      const int64_t slot = position % cache.shape().block_size;
      for (int64_t head = 0; head < args.kv_heads; ++head) {
        const float* k = q + (args.heads + head) * dim;
        float* keys = cache.keys(block, head) + slot;
        for (int64_t d = 0; d < dim; ++d) keys[d * slots] = k[d];
        std::memcpy(cache.values(block, head) + slot * value_dim, k + args.kv_heads * dim,
                    dim * sizeof(float));
      }
    }
  });
}

void CpuAttention::RunTile(const AttentionArgs& args, const StepLayout& layout, const Tile& tile,
                           float* scratch, const Sizes& sizes) {
  const auto& cache = static_cast<const KvBlocks&>(*args.cache);
  const StepLayout::Slice& slice = *tile.slice;
  const int64_t group = args.heads / args.kv_heads;
  const int64_t dim = args.head_dim;
  const int64_t block_size = cache.shape().block_size;
  const int64_t slots = KvBlocks::Slots(cache.shape());
  const int64_t value_dim = KvBlocks::ValueDim(cache.shape());
  const int64_t rows = tile.rows;
  float* queries = scratch;                                    // [rows, dim]
  float* scores = queries + KvBlocks::RoundUp(sizes.queries);  // [rows, row_scores]
  float* sums = scores + sizes.scores;                         // [rows, value_dim]

  // Keys that row `r` sees are [Begin(r), End(r)); both grow with r.
  const auto end_of = [&](int64_t r) {
    return slice.start_position + (tile.first_row + r) / group + 1;
  };
  const auto begin_of = [&](int64_t r) {
    return args.sliding_window > 0 ? std::max<int64_t>(0, end_of(r) - args.sliding_window) : 0;
  };
  const auto head_of = [&](int64_t r) {
    return tile.kv_head * group + (tile.first_row + r) % group;
  };
  const auto token_of = [&](int64_t r) { return slice.first_row + (tile.first_row + r) / group; };
  const int64_t begin = begin_of(0);
  const int64_t end = end_of(rows - 1);
  const int64_t first_block = begin / block_size;
  const int64_t last_block = (end - 1) / block_size;
  // Column 0 of the scores, a multiple of the lanes: a position has its lane whatever the tile.
  const int64_t origin = first_block * block_size / kLanes * kLanes;

  for (int64_t r = 0; r < rows; ++r) {
    const float* q =
        args.qkv->as<float>() + (token_of(r) * (args.heads + 2 * args.kv_heads) + head_of(r)) * dim;
    std::memcpy(queries + r * dim, q, dim * sizeof(float));
  }
  for (int64_t b = first_block; b <= last_block; ++b) {
    if (b + kBlocksAhead <= last_block) {
      Prefetch(cache.keys(BlockOf(layout, slice, b + kBlocksAhead), tile.kv_head), dim * slots);
    }
    const float* keys = cache.keys(BlockOf(layout, slice, b), tile.kv_head);
    // What a block's padding writes behind it, the next block or the mask of softmax overwrites.
    for (int64_t slot = 0; slot < slots; slot += kLanes) {
      isa_.row_tile(rows, kLanes, dim, queries, dim, keys + slot, slots,
                    scores + b * block_size + slot - origin, sizes.row_scores, /*add=*/false);
    }
  }
  float totals[kMostTileRows];
  const int64_t columns = KvBlocks::RoundUp(end - origin);
  for (int64_t r = 0; r < rows; ++r) {
    float* row = scores + r * sizes.row_scores;
    totals[r] = isa_.softmax(row, columns, begin_of(r) - origin, end_of(r) - origin, args.scale);
  }
  std::memset(sums, 0, rows * value_dim * sizeof(float));
  for (int64_t b = first_block; b <= last_block; ++b) {
    if (b + kBlocksAhead <= last_block) {
      Prefetch(cache.values(BlockOf(layout, slice, b + kBlocksAhead), tile.kv_head),
               block_size * value_dim);
    }
    const int64_t first = std::max(begin, b * block_size);
    const int64_t count = std::min(end, (b + 1) * block_size) - first;
    const float* values = cache.values(BlockOf(layout, slice, b), tile.kv_head) +
                          (first - b * block_size) * value_dim;
    for (int64_t d = 0; d < value_dim; d += kPanel) {
      isa_.row_tile(rows, std::min(kPanel, value_dim - d), count, scores + first - origin,
                    sizes.row_scores, values + d, value_dim, sums + d, value_dim, /*add=*/true);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    float* out = args.out->as<float>() + (token_of(r) * args.heads + head_of(r)) * dim;
    for (int64_t d = 0; d < dim; ++d) out[d] = sums[r * value_dim + d] / totals[r];
  }
}

}  // namespace gantry
