#ifndef GANTRY_COORDINATOR_OBSERVER_LIST_H_
#define GANTRY_COORDINATOR_OBSERVER_LIST_H_

#include <utility>
#include <vector>

#include "coordinator/engine_observer.h"

namespace gantry {

// Passes on what it is told, to each in turn.
class ObserverList : public EngineObserver {
 public:
  // The observers outlive the list.
  explicit ObserverList(std::vector<EngineObserver*> observers)
      : observers_(std::move(observers)) {}

  void OnRefuse(const RequestRecord& record, const absl::Status& why) override {
    for (EngineObserver* one : observers_) one->OnRefuse(record, why);
  }
  void OnChange(const RequestRecord& record) override {
    for (EngineObserver* one : observers_) one->OnChange(record);
  }
  void OnToken(const RequestRecord& record, std::optional<absl::Duration> since_last) override {
    for (EngineObserver* one : observers_) one->OnToken(record, since_last);
  }
  void OnEnd(const RequestRecord& record, const absl::Status& status) override {
    for (EngineObserver* one : observers_) one->OnEnd(record, status);
  }
  void OnStepSent(int64_t tokens) override {
    for (EngineObserver* one : observers_) one->OnStepSent(tokens);
  }
  void OnStepDone(const DoneStep& step) override {
    for (EngineObserver* one : observers_) one->OnStepDone(step);
  }

 private:
  const std::vector<EngineObserver*> observers_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_OBSERVER_LIST_H_
