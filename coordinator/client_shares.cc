#include "coordinator/client_shares.h"

#include <algorithm>
#include <limits>

namespace gantry {

// Infinite when nobody is here.
double ClientShares::Least() const {
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [name, client] : clients_) {
    if (client.requests > 0) least = std::min(least, client.served);
  }
  return least;
}

ClientShares::Client* ClientShares::Enter(const std::string& client) {
  const double least = Least();
  Client& entry = clients_[client];
  // When nobody is here nobody is remembered either.
  if (entry.requests == 0 && clients_.size() > 1) entry.served = std::max(entry.served, least);
  ++entry.requests;
  return &entry;
}

void ClientShares::Leave(Client* client) {
  --client->requests;
  // Of those that are away only what they have had beyond the least is worth remembering.
  const double least = Least();
  std::erase_if(clients_, [least](const auto& entry) {
    return entry.second.requests == 0 && entry.second.served <= least;
  });
}

std::vector<double> ClientShares::Number() {
  const double least = Least();
  std::vector<double> served;
  for (auto& [name, client] : clients_) {
    if (client.requests == 0) continue;
    client.index = served.size();
    served.push_back(client.served - least);
  }
  return served;
}

}  // namespace gantry
