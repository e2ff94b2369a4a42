// SPDX-License-Identifier: BSL-1.0
// From host names to addresses: getaddrinfo off the loop's thread, and resolvers of one's own.
#pragma once

#include "tornado/address.hpp"
#include "tornado/detail/completion.hpp"
#include "tornado/detail/export.hpp"
#include "tornado/detail/initiation.hpp"
#include "tornado/error.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <tuple>
#include <utility>
#include <vector>

namespace tornado {

class IOLoop;

namespace detail {
class TetheredExecutor;
}

/// Finds the addresses that a host name stands for. This one asks getaddrinfo(3), on a few threads
/// of the process that nobody waits for: a name server that does not answer holds up neither the
/// loop, nor the end of its context or of the process. Ten names are looked up at a time, further
/// ones queue. An IP literal is answered without a thread.
///
/// Derive from it and override look_up for other sources of names: OverrideResolver, a DNS library,
/// a test's script. A resolver belongs to its executor's thread; a look-up that has been started
/// does not need the resolver any more. After the end of its context one is closed: a resolve()
/// destroys its handler uncalled.
///
/// tornado.netutil.Resolver, T177, T178, T180.
class TORNADO_ASIO_EXPORT Resolver {
public:
    /// Any of Asio's.
    using executor_type = asio::any_io_executor;

    /// The one who asked, for look_up to call with the result; only moved.
    class Completion;

    /// A resolver on IOLoop::current().
    Resolver();
    /// A resolver on `loop`.
    explicit Resolver(IOLoop& loop);
    /// For plain Asio; completions run on `executor`.
    explicit Resolver(asio::any_io_executor executor);

    Resolver(Resolver const&) = delete;
    Resolver& operator=(Resolver const&) = delete;
    virtual ~Resolver();

    /// Where completions run.
    executor_type const& get_executor() const noexcept;

    /// Completion: `void(error_code, std::vector<Address>)`, the addresses of `host` with `port`,
    /// in the order in which they should be tried, each once; at least one, unless there is an
    /// error. `family`: AF_INET or AF_INET6 for these alone. Errors: `asio::error::host_not_found`
    /// (an empty name and one with a NUL included), `host_not_found_try_again` when the name server
    /// does not answer, what keeps it from looking (`no_descriptors`, or that no thread can be
    /// made); of a look_up that throws, its system_error's code, else `asio::error::no_recovery`,
    /// beside a line in the log. Throws std::invalid_argument for a port that is not from 0 to
    /// 65535. Any number may overlap. Cancelling (any type) completes with `operation_aborted` at
    /// once; a getaddrinfo that has begun runs on for nothing.
    template <
        asio::completion_token_for<void(error_code, std::vector<Address>)> Token = asio::deferred_t>
    [[nodiscard]] auto resolve(std::string host, detail::Port port, int family,
                               Token&& token = asio::deferred_t()) {
        return asio::async_initiate<
            Token, void(error_code,
                        std::vector<Address>)>(detail::Initiation{this,
                                                                  [](Resolver& self, auto&& handler,
                                                                     std::string const& name,
                                                                     std::uint16_t with, int only) {
                                                                      self.start(
                                                                          name, with, only,
                                                                          {std::forward<
                                                                               decltype(handler)>(
                                                                               handler),
                                                                           self.get_executor()});
                                                                  }},
                                               token, std::move(host), std::uint16_t{port}, family);
    }
    /// The same, of any family.
    template <
        asio::completion_token_for<void(error_code, std::vector<Address>)> Token = asio::deferred_t>
    [[nodiscard]] auto resolve(std::string host, detail::Port port,
                               Token&& token = asio::deferred_t()) {
        return resolve(std::move(host), port, AF_UNSPEC, std::forward<Token>(token));
    }

    /// Releases what a resolver holds. This one holds nothing.
    virtual void close() {}

protected:
    /// Does the work of resolve(): calls `completion` once, at any time, here or on any thread.
    /// Whether a cancellation or the end of the context came first is not its concern. An override
    /// may leave what needs no server to this one: IP literals, and what can be no name.
    ///
    ///     void look_up(std::string host, std::uint16_t port, int family,
    ///                  Completion completion) override {
    ///         completion({}, {Address("127.0.0.1", port)});
    ///     }
    virtual void look_up(std::string host, std::uint16_t port, int family, Completion completion);

    /// Lets another resolver do it.
    static void pass_on(Resolver& other, std::string host, std::uint16_t port, int family,
                        Completion completion);

private:
    class Request;

    void start(std::string const& host, std::uint16_t port, int family,
               detail::Completion<std::vector<Address>>&& handler);

    std::unique_ptr<detail::TetheredExecutor> executor_;
};

/// Whoever asked a Resolver: look_up calls it once with the result.
class TORNADO_ASIO_EXPORT Resolver::Completion {
public:
    /// What was moved from completes nothing.
    Completion(Completion&&) noexcept = default;
    /// The one that is replaced completes with `operation_aborted` if it was not called.
    Completion& operator=(Completion&& other) noexcept;
    /// One that was not called completes with `operation_aborted`.
    ~Completion();

    /// Completes, later and from the resolver's executor. The first call counts. An empty list
    /// without an error becomes `host_not_found`. Thread-safe.
    void operator()(error_code ec, std::vector<Address> addresses = {});

    /// Whether somebody still waits: if not, there is no need to begin. Thread-safe.
    bool wanted() const;

private:
    friend class Resolver;
    explicit Completion(std::shared_ptr<Request> request) noexcept;

    std::shared_ptr<Request> request_;
};

/// Answers for some names as told, and passes the others on to another resolver.
///
///     OverrideResolver resolver(system, {
///         {"example.com", "127.0.1.1"},                            // any port
///         {{"login.example.com", 443}, {"localhost", 1443}},       // this port, to another
///         {{"login.example.com", 443, AF_INET6}, {"::1", 1443}},   // when asked for this family
///     });
///
/// tornado.netutil.OverrideResolver, T179.
class TORNADO_ASIO_EXPORT OverrideResolver : public Resolver {
public:
    /// What is asked for; the more it says, the sooner it counts.
    struct Key {
        /// Any port and family of a name.
        template <std::convertible_to<std::string> Host>
        Key(Host&& name) : host(std::forward<Host>(name)) {}
        /// One port of a name.
        Key(std::string name, detail::Port with) : host(std::move(name)), port(with) {}
        /// One port of a name, where that family is asked for.
        Key(std::string name, detail::Port with, int only)
            : host(std::move(name)), port(with), family(only) {}

        std::string host;                  ///< a name
        std::optional<std::uint16_t> port; ///< nothing: any
        std::optional<int> family;         ///< AF_INET or AF_INET6; nothing: any

        /// An order, as the map wants one.
        bool operator<(Key const& other) const {
            return std::tie(host, port, family) < std::tie(other.host, other.port, other.family);
        }
    };
    /// What is looked up in its place: a name or an IP literal; the port stays unless there is one.
    struct Target {
        /// A name or address, the port as it is.
        template <std::convertible_to<std::string> Host>
        Target(Host&& name) : host(std::forward<Host>(name)) {}
        /// A name or address, and another port.
        Target(std::string name, detail::Port instead) : host(std::move(name)), port(instead) {}

        std::string host;                  ///< a name or an IP literal
        std::optional<std::uint16_t> port; ///< nothing: what was asked for
    };
    /// What is asked for, and what is looked up in its place.
    using Mapping = std::map<Key, Target>;

    /// `resolver`, which must outlive this one, looks up what the mapping gives and what it does
    /// not name; its executor is this one's too.
    OverrideResolver(Resolver& resolver, Mapping mapping);
    /// The same, and keeps `resolver` alive.
    OverrideResolver(std::shared_ptr<Resolver> resolver, Mapping mapping);

    /// Closes the other resolver.
    void close() override;

protected:
    void look_up(std::string host, std::uint16_t port, int family, Completion completion) override;

private:
    std::shared_ptr<Resolver> resolver_; // owns nothing if it is the application's
    Mapping mapping_;
};

} // namespace tornado
