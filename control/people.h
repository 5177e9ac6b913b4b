#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "control/participant.h"

namespace parley::control {

// Those in a session, in the order in which they came. Each is found in constant time, and those
// who publish or are hosts are at hand without a look at all the others: a room may have thousands
// who watch.
class People {
 public:
  using List = std::vector<std::unique_ptr<Participant>>;

  // `order` of who is added is higher than that of all before him.
  Participant& add(std::unique_ptr<Participant> one);
  void remove(const Participant& one);
  void clear();
  // Through which peer his media goes, or that it goes through none.
  void set_peer(Participant& one, std::optional<server::PeerId> peer);
  // To be called when his tracks or what his token says have changed.
  void note(Participant& one);

  // Null: nobody.
  [[nodiscard]] Participant* find(std::string_view participant_id) const;
  [[nodiscard]] Participant* find_identity(std::string_view identity) const;
  [[nodiscard]] Participant* find_peer(server::PeerId peer) const;

  [[nodiscard]] const std::vector<Participant*>& publishers() const noexcept { return publishers_; }
  // Who is a host and not hidden.
  [[nodiscard]] const std::vector<Participant*>& hosts() const noexcept { return hosts_; }
  // How many of their peers a worker has.
  [[nodiscard]] std::size_t peers_on(std::size_t worker) const;
  [[nodiscard]] List::const_iterator begin() const noexcept { return list_.begin(); }
  // The first who came after the one of this order.
  [[nodiscard]] List::const_iterator after(std::uint64_t order) const;
  [[nodiscard]] List::const_iterator end() const noexcept { return list_.end(); }
  [[nodiscard]] const List::value_type& operator[](std::size_t i) const { return list_[i]; }
  [[nodiscard]] const List::value_type& front() const { return list_.front(); }
  [[nodiscard]] std::size_t size() const noexcept { return list_.size(); }
  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };
  using ByName = std::unordered_map<std::string, Participant*, Hash, std::equal_to<>>;

  List list_;
  ByName by_id_;
  ByName by_identity_;
  std::unordered_map<server::PeerId, Participant*> by_peer_;
  std::unordered_map<std::size_t, std::size_t> peers_on_;
  // In the same order.
  std::vector<Participant*> publishers_;
  std::vector<Participant*> hosts_;
};

}  // namespace parley::control
