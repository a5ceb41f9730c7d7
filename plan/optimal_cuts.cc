#include "plan/optimal_cuts.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

namespace gantry {
namespace {

// Transitions that a search may look at.
constexpr double kMaxWork = 2e7;
// Ends of runs that a search in a fixed order considers.
constexpr int kMaxCoarseCuts = 128;

// What is minimised, the first number before the second.
using Cost = std::pair<double, double>;
constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr Cost kNowhere = {kNever, kNever};

// Devices among which a search chooses.
struct Supply {
  // Kinds in any order, each with the devices that are of it; or, if `ordered`, kinds of one device
  // each that must come in that order.
  std::vector<std::vector<int>> kinds;
  bool ordered = false;
  int step = 1;  // layers between the ends of runs that are considered
};

class CutSearch {
 public:
  CutSearch(const PlacingProblem& problem, PlanObjective objective, Supply supply)
      : problem_(problem),
        throughput_(objective == PlanObjective::kThroughput),
        supply_(std::move(supply)) {
    for (int l = 0; l < problem.num_layers(); l += supply_.step) cuts_.push_back(l);
    cuts_.push_back(problem.num_layers());
    num_states_ = 1;
    for (const std::vector<int>& kind : supply_.kinds) {
      strides_.push_back(num_states_);
      num_states_ = supply_.ordered ? supply_.kinds.size() + 1 : num_states_ * (kind.size() + 1);
    }
  }

  // Looks at every placement; keeps the best.
  void Run() {
    const int kinds = static_cast<int>(supply_.kinds.size());
    for (int k = 0; k < kinds; ++k) {
      if (problem_.Fits(Any(k), kBoth, 0, problem_.num_layers())) {
        const Cost cost = Extend({0, 0}, Any(k), kBoth, 0, problem_.num_layers());
        if (cost < best_) {
          best_ = cost;
          placement_ =
              problem_.Units(std::vector<int>(problem_.num_layers(), Any(k)), Any(k), Any(k));
        }
      }
    }
    RunFrom(-1);
    for (int k = 0; k < kinds; ++k) RunFrom(k);
  }
  const std::vector<int>& placement() const { return placement_; }
  const Cost& best() const { return best_; }

 private:
  struct State {
    Cost cost = kNowhere;
    int cut = 0;  // before the last run
    int kind = -1;
    size_t state = 0;
  };

  int Any(int kind) const { return supply_.kinds[kind][0]; }
  State& At(int cut, size_t state) { return states_[cut * num_states_ + state]; }
  int End(int cut) const { return cuts_[cut]; }

  // How many of the kind are used in a state.
  size_t Used(size_t state, int kind) const {
    return state / strides_[kind] % (supply_.kinds[kind].size() + 1);
  }
  // Whether one more of the kind may be used, and the state after that.
  bool Next(size_t state, int kind, size_t* next) const {
    if (supply_.ordered) {
      *next = kind + 1;
      return static_cast<size_t>(kind) >= state;
    }
    *next = state + strides_[kind];
    return Used(state, kind) < supply_.kinds[kind].size();
  }

  Cost Extend(const Cost& cost, int device, int role, int begin, int end) const {
    const double seconds =
        problem_.LayersSeconds(device, begin, end) + problem_.RoleSeconds(device, role);
    const bool returns = role == kBoth && end - begin < problem_.num_layers();
    const double step = seconds + (returns ? 2 : 1) * problem_.hop();
    if (throughput_) return {std::max(cost.first, seconds), cost.second + step};
    return {cost.first + step, std::max(cost.second, seconds)};
  }

  void Improve(int to, size_t state, const Cost& cost, int from, size_t from_state, int kind) {
    State& target = At(to, state);
    if (cost < target.cost) target = State{cost, from, kind, from_state};
  }

  // With `both` >= 0, a device of that kind begins and ends; otherwise two different ones do.
  void RunFrom(int both) {
    const int num_cuts = static_cast<int>(cuts_.size());
    const int kinds = static_cast<int>(supply_.kinds.size());
    states_.assign(num_cuts * num_states_, State{});
    const int role = both >= 0 ? kBoth : kFirst;
    for (int k = 0; k < kinds; ++k) {
      size_t next;
      if ((both >= 0 && k != both) || !Next(0, k, &next)) continue;
      for (int j = 0; j < num_cuts && problem_.Fits(Any(k), role, 0, End(j)); ++j) {
        Improve(j, next, Extend({0, 0}, Any(k), role, 0, End(j)), 0, 0, k);
      }
    }
    for (int i = 0; i + 1 < num_cuts; ++i) {
      for (size_t s = 0; s < num_states_; ++s) {
        const Cost cost = At(i, s).cost;
        if (cost == kNowhere) continue;
        for (int k = supply_.ordered ? static_cast<int>(s) : 0; k < kinds; ++k) {
          size_t next;
          if (!Next(s, k, &next)) continue;
          for (int j = i + 1; j < num_cuts && problem_.Fits(Any(k), kMiddle, End(i), End(j)); ++j) {
            Improve(j, next, Extend(cost, Any(k), kMiddle, End(i), End(j)), i, s, k);
          }
        }
      }
    }
    Finish(both);
  }

  void Finish(int both) {
    const int last_cut = static_cast<int>(cuts_.size()) - 1;
    const int layers = problem_.num_layers();
    for (int i = both >= 0 ? last_cut : 0; i <= last_cut; ++i) {
      for (size_t s = 0; s < num_states_; ++s) {
        const Cost cost = At(i, s).cost;
        if (!(cost < best_)) continue;
        if (both >= 0) {
          best_ = cost;
          placement_ = Trace(i, s, -1);
          continue;
        }
        for (int k = 0; k < static_cast<int>(supply_.kinds.size()); ++k) {
          size_t next;
          if (!Next(s, k, &next) || !problem_.Fits(Any(k), kLast, End(i), layers)) continue;
          const Cost whole = Extend(cost, Any(k), kLast, End(i), layers);
          if (!(whole < best_)) continue;
          best_ = whole;
          placement_ = Trace(i, s, k);
        }
      }
    }
  }

  // The placement that led to a state; `last`: the kind that takes what is left, -1 for the first
  // device again.
  std::vector<int> Trace(int cut, size_t state, int last) {
    struct Run {
      int kind, begin, end;
    };
    std::vector<Run> runs;
    if (last >= 0) runs.push_back({last, End(cut), problem_.num_layers()});
    while (state != 0) {
      const State& here = At(cut, state);
      runs.push_back({here.kind, here.state == 0 ? 0 : End(here.cut), End(cut)});
      cut = here.cut;
      state = here.state;
    }
    std::reverse(runs.begin(), runs.end());
    std::vector<size_t> used(supply_.kinds.size(), 0);
    std::vector<int> device_of_layer(problem_.num_layers());
    std::vector<int> devices;
    for (const Run& run : runs) {
      devices.push_back(supply_.kinds[run.kind][used[run.kind]++]);
      std::fill(device_of_layer.begin() + run.begin, device_of_layer.begin() + run.end,
                devices.back());
    }
    return problem_.Units(device_of_layer, devices.front(),
                          last >= 0 ? devices.back() : devices.front());
  }

  const PlacingProblem& problem_;
  const bool throughput_;
  const Supply supply_;
  std::vector<int> cuts_;
  std::vector<size_t> strides_;
  size_t num_states_ = 1;
  std::vector<State> states_;
  Cost best_ = kNowhere;
  std::vector<int> placement_;
};

// Devices that are alike, together.
std::vector<std::vector<int>> Kinds(const PlacingProblem& problem) {
  std::vector<std::vector<int>> kinds;
  for (int d = 0; d < problem.num_devices(); ++d) {
    if (!problem.usable(d)) continue;
    const auto same = std::find_if(kinds.begin(), kinds.end(), [&](const std::vector<int>& kind) {
      return problem.Alike(kind[0], d);
    });
    if (same == kinds.end()) {
      kinds.push_back({d});
    } else {
      same->push_back(d);
    }
  }
  return kinds;
}

double Work(const PlacingProblem& problem, const std::vector<std::vector<int>>& kinds) {
  const double layers = problem.num_layers() + 1;
  double states = 1;
  for (const std::vector<int>& kind : kinds) states *= kind.size() + 1;
  return states * layers * layers * kinds.size() * (kinds.size() + 1) / 2;
}

}  // namespace

OptimalPlan FindOptimalCuts(const PlacingProblem& problem, const PlanCosts& costs,
                            PlanObjective objective) {
  std::vector<std::vector<int>> kinds = Kinds(problem);
  if (kinds.empty()) return {};
  // More of a kind than there are layers and ends are of no use.
  for (std::vector<int>& kind : kinds) {
    kind.resize(std::min<size_t>(kind.size(), problem.num_layers() + 2));
  }
  if (Work(problem, kinds) <= kMaxWork) {
    CutSearch search(problem, objective, Supply{std::move(kinds), false, 1});
    search.Run();
    return OptimalPlan{search.placement(), true};
  }
  std::vector<int> order;
  for (int d = 0; d < problem.num_devices(); ++d) {
    if (problem.usable(d)) order.push_back(d);
  }
  std::vector<std::vector<int>> orders = {order};
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return problem.LayersSeconds(a, 0, problem.num_layers()) <
           problem.LayersSeconds(b, 0, problem.num_layers());
  });
  orders.push_back(order);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return costs.devices[a].memory_bytes > costs.devices[b].memory_bytes;
  });
  orders.push_back(order);
  Cost best = kNowhere;
  OptimalPlan plan;
  plan.exact = false;
  // A fixed order is searched with at most this many devices: beyond it the work has no bound.
  constexpr size_t kMaxOrdered = 16;
  for (std::vector<int>& devices : orders) {
    Supply supply;
    supply.ordered = true;
    supply.step = (problem.num_layers() + kMaxCoarseCuts - 1) / kMaxCoarseCuts;
    devices.resize(std::min(devices.size(), kMaxOrdered));
    for (int d : devices) supply.kinds.push_back({d});
    CutSearch search(problem, objective, std::move(supply));
    search.Run();
    if (search.best() < best) {
      best = search.best();
      plan.device_of = search.placement();
    }
  }
  return plan;
}

}  // namespace gantry
