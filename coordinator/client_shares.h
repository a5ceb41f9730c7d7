#ifndef GANTRY_COORDINATOR_CLIENT_SHARES_H_
#define GANTRY_COORDINATOR_CLIENT_SHARES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace gantry {

// What service each client has had: the virtual token counters of Sheng et al., "Fairness in
// Serving Large Language Models" (OSDI 2024). A client that comes, or comes back, begins no lower
// than the least of those that are here, so that being away saves up no claim; what it had beyond
// that is remembered while others are here. Not thread-safe.
class ClientShares {
 public:
  struct Client {
    double served = 0;     // see ServiceOf in coordinator/scheduler.h
    int64_t requests = 0;  // here
    int index = 0;         // in what Number returned last
  };

  // One more request of the client is here. The pointer holds until it has left.
  Client* Enter(const std::string& client);
  void Leave(Client* client);

  // Numbers the clients that are here, in the order of their names; returns their service beyond
  // that of the least served.
  std::vector<double> Number();
  // Clients that are here or remembered.
  size_t size() const { return clients_.size(); }

 private:
  double Least() const;

  std::map<std::string, Client> clients_;
};

}  // namespace gantry

#endif  // GANTRY_COORDINATOR_CLIENT_SHARES_H_
