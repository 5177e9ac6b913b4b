#include "control/listener.h"

#include <cerrno>
#include <filesystem>
#include <map>
#include <unordered_map>

#include <netinet/in.h>
#include <sys/stat.h>
#include <uv.h>

#include "control/connection.h"
#include "control/listen_address.h"
#include "server/log.h"

namespace parley::control {
namespace {

constexpr int kBacklog = 511;

}  // namespace

struct Listener::Impl {
  // A socket that accepts; freed by its close callback, after the listener may be gone.
  struct Acceptor {
    union {
      uv_tcp_t tcp;
      uv_pipe_t pipe;
    };
    Impl* owner = nullptr;

    Acceptor() : tcp{} {}
    [[nodiscard]] uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&tcp); }
    struct Close {
      void operator()(Acceptor* acceptor) const noexcept {
        acceptor->owner = nullptr;
        uv_close(reinterpret_cast<uv_handle_t*>(&acceptor->tcp), [](uv_handle_t* closed) {
          delete static_cast<Acceptor*>(closed->data);  // nobody else knows it any more
        });
      }
    };
  };

  Impl(server::Loop& used_loop, config::Control used_config, ListenerHandlers used_handlers)
      : loop(used_loop), config(std::move(used_config)), handlers(std::move(used_handlers)) {}

  [[nodiscard]] tl::expected<void, std::string> read_tls() {
    const config::Tls& files = config.tls;
    if (files.certificate_file.empty() && files.key_file.empty()) return {};
    auto context = TlsContext::from_files(files.certificate_file, files.key_file);
    if (!context) return tl::unexpected("control.tls: " + context.error());
    tls = std::make_unique<TlsContext>(std::move(*context));
    return {};
  }

  [[nodiscard]] tl::expected<void, std::string> bind_all() {
    for (const std::string& text : config.listen) {
      auto address = parse_listen_address(text);
      if (!address) return tl::unexpected("control.listen: " + address.error());
      if (!address->loopback && !tls && !config.allow_plain_public) {
        return tl::unexpected("control.listen: " + text +
                              " can be reached from outside without TLS: set control.tls, or "
                              "control.allow_plain_public when a proxy in front does it");
      }
      const int error = bind(*address);
      if (error == 0) continue;
      // A machine without IPv6 is no reason not to serve IPv4.
      if (address->ipv6 && address->loopback &&
          (error == UV_EADDRNOTAVAIL || error == UV_EAFNOSUPPORT)) {
        server::log::warn("listen_skipped", {{"address", text}, {"reason", uv_strerror(error)}});
        continue;
      }
      return tl::unexpected("control.listen: " + text + ": " + uv_strerror(error));
    }
    if (acceptors.empty()) {
      return tl::unexpected(std::string("control.listen: no address could be bound"));
    }
    return {};
  }

  [[nodiscard]] int bind(const ListenAddress& address) {
    // A deleter of its own, which make_unique cannot give: libuv frees a handle only after closing.
    std::unique_ptr<Acceptor, Acceptor::Close> acceptor(new Acceptor);
    acceptor->tcp.data = acceptor.get();
    acceptor->owner = this;
    uv_tcp_init(loop.uv(), &acceptor->tcp);
    const auto* name = reinterpret_cast<const sockaddr*>(&address.socket_address);
    // IPv4 has a socket of its own.
    int result = uv_tcp_bind(&acceptor->tcp, name, address.ipv6 ? UV_TCP_IPV6ONLY : 0);
    if (result == 0) result = listen(*acceptor);
    if (result != 0) return result;
    sockaddr_storage bound{};
    int size = sizeof bound;
    uv_tcp_getsockname(&acceptor->tcp, reinterpret_cast<sockaddr*>(&bound), &size);
    const std::uint16_t port =
        ntohs(address.ipv6 ? reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port
                           : reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
    urls.push_back((tls ? "https://" : "http://") + address.host + ":" + std::to_string(port));
    acceptors.push_back(std::move(acceptor));
    return 0;
  }

  // Whoever may open the file may do everything: it is for this user alone, and its folder can say
  // who else. Of the processes before this one there is none: the store is ours.
  [[nodiscard]] tl::expected<void, std::string> bind_socket() {
    if (config.socket_file.empty()) return {};
    const auto failed = [&](int error) {
      return tl::unexpected("control.socket_file: " + config.socket_file + ": " +
                            uv_strerror(error));
    };
    std::error_code ignored;
    if (std::filesystem::is_socket(config.socket_file, ignored)) {
      std::filesystem::remove(config.socket_file, ignored);
    }
    std::unique_ptr<Acceptor, Acceptor::Close> acceptor(new Acceptor);
    acceptor->pipe = {};
    acceptor->owner = this;
    uv_pipe_init(loop.uv(), &acceptor->pipe, 0);
    acceptor->pipe.data = acceptor.get();
    const mode_t before = umask(0077);
    const int bound = uv_pipe_bind(&acceptor->pipe, config.socket_file.c_str());
    umask(before);
    if (bound != 0) return failed(bound);
    if (const int error = listen(*acceptor); error != 0) return failed(error);
    acceptors.push_back(std::move(acceptor));
    return {};
  }

  [[nodiscard]] static int listen(Acceptor& acceptor) {
    return uv_listen(acceptor.stream(), kBacklog, [](uv_stream_t* server, int status) {
      Impl* self = static_cast<Acceptor*>(server->data)->owner;
      if (self != nullptr && status == 0) self->accept(server);
    });
  }

  void accept(uv_stream_t* server) {
    const ConnectionId id{++last_id};
    const bool local = server->type == UV_NAMED_PIPE;
    auto connection = std::make_unique<Connection>(
        id, host, local ? SocketStream::Kind::Local : SocketStream::Kind::Tcp,
        local ? nullptr : tls.get());
    if (!connection->stream().accept(server)) return;
    ++stats.accepted;
    std::uint32_t& from_there = per_network[connection->stream().remote_network()];
    if (connections.size() >= config.max_connections ||
        from_there >= config.max_connections_per_address) {
      ++stats.refused_full;
      if (from_there == 0) per_network.erase(connection->stream().remote_network());
      server::log::limited(
          "connection_refused",
          {{"address", connection->stream().remote_address()}, {"open", connections.size()}});
      return;  // closed by its destructor
    }
    ++from_there;
    connection->start();
    connections.emplace(id.value, std::move(connection));
  }

  void forget(ConnectionId id) {
    const auto found = connections.find(id.value);
    if (found == connections.end()) return;
    const auto network = per_network.find(found->second->stream().remote_network());
    if (network != per_network.end() && --network->second == 0) per_network.erase(network);
    connections.erase(found);
  }

  [[nodiscard]] Connection* find(ConnectionId id) {
    const auto found = connections.find(id.value);
    return found != connections.end() ? found->second.get() : nullptr;
  }

  server::Loop& loop;
  config::Control config;
  ListenerHandlers handlers;
  ListenerStats stats;
  std::unique_ptr<TlsContext> tls;
  std::vector<std::string> urls;
  std::vector<std::unique_ptr<Acceptor, Acceptor::Close>> acceptors;
  std::uint64_t last_id = 0;
  std::map<std::string, std::uint32_t> per_network;
  ConnectionHost host{loop, config, handlers, stats, [this](ConnectionId id) { forget(id); }};
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections;
};

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Listener::~Listener() = default;

tl::expected<std::unique_ptr<Listener>, std::string> Listener::open(server::Loop& loop,
                                                                    const config::Control& config,
                                                                    ListenerHandlers handlers) {
  auto impl = std::make_unique<Impl>(loop, config, std::move(handlers));
  if (auto done = impl->read_tls(); !done) return tl::unexpected(done.error());
  if (auto done = impl->bind_all(); !done) return tl::unexpected(done.error());
  if (auto done = impl->bind_socket(); !done) return tl::unexpected(done.error());
  // Private constructor: make_unique cannot reach it.
  return std::unique_ptr<Listener>(new Listener(std::move(impl)));
}

void Listener::respond(ConnectionId connection, HttpResponse response) {
  if (Connection* found = impl_->find(connection)) found->respond(std::move(response));
}

void Listener::send(ConnectionId connection, std::string_view text) {
  if (Connection* found = impl_->find(connection)) found->send(text);
}

void Listener::close(ConnectionId connection, std::uint16_t code, std::string_view reason) {
  if (Connection* found = impl_->find(connection)) found->close(code, reason);
}

void Listener::stop_accepting() { impl_->acceptors.clear(); }

std::vector<std::string> Listener::urls() const { return impl_->urls; }

ListenerStats Listener::stats() const {
  ListenerStats stats = impl_->stats;
  stats.open = impl_->connections.size();
  return stats;
}

}  // namespace parley::control
