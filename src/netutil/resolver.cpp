// SPDX-License-Identifier: BSL-1.0
#include "netutil/resolver.hpp"

#include "tornado/ioloop.hpp"
#include "tornado/log.hpp"

#include "last_error.hpp"
#include "netutil/address.hpp"
#include "tether.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace tornado {

namespace detail {

namespace {

// `system_error`: errno after the call. Names that cannot be looked for, because no file or socket
// can be opened, getaddrinfo may call unknown.
error_code addrinfo_code(int status, int system_error) {
    bool const no_descriptors = system_error == EMFILE || system_error == ENFILE;
    if ((status == EAI_SYSTEM && system_error != 0) || (status != 0 && no_descriptors))
        return {system_error, boost::system::system_category()};
    switch (status) {
    case 0:
        return {};
    case EAI_MEMORY:
        return asio::error::no_memory;
    case EAI_AGAIN:
        return asio::error::host_not_found_try_again;
    case EAI_FAMILY:
        return asio::error::address_family_not_supported;
    default:
        return asio::error::host_not_found;
    }
}

struct FreeAddrinfo {
    void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

/// At most ten threads, made when they are needed, gone when they have been idle for a while. Never
/// destroyed, because a thread may be busy when the process exits.
class Threads {
public:
    /// After a fork the child has none of its parent's threads, and begins with an object of its
    /// own.
    static Threads& of_this_process();

    void run(Function<void(error_code)> job);
    std::size_t count() {
        std::lock_guard const lock(mutex_);
        return threads_;
    }

private:
    static constexpr std::size_t most = 10;

    explicit Threads(Threads const* parents) : parents_(parents) {}
    void add_thread();
    void serve();

    pid_t const process_ = ::getpid();
    [[maybe_unused]] Threads const* const parents_; // so that leak checkers find it
    std::mutex mutex_;
    std::condition_variable filled_;
    std::deque<Function<void(error_code)>> jobs_;
    std::size_t threads_ = 0;
    std::size_t idle_ = 0;
};

Threads& Threads::of_this_process() {
    static std::atomic<Threads*> latest = nullptr;
    auto* threads = latest.load();
    while (!threads || threads->process_ != ::getpid()) {
        std::unique_ptr<Threads> made(new Threads(threads));
        if (latest.compare_exchange_strong(threads, made.get()))
            threads = made.release();
    }
    return *threads;
}

void Threads::run(Function<void(error_code)> job) {
    std::unique_lock lock(mutex_);
    if (jobs_.size() >= idle_ && threads_ < most) {
        try {
            add_thread();
        } catch (std::system_error const& e) {
            if (threads_ == 0) {
                lock.unlock();
                return job(code_of(e));
            }
        }
    }
    jobs_.push_back(std::move(job));
    filled_.notify_one();
}

// The application's signal handlers are to run on its own threads.
void Threads::add_thread() {
    sigset_t all;
    sigset_t former;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &former);
    try {
        std::thread([this] { serve(); }).detach();
        ++threads_;
    } catch (...) {
        ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
        throw;
    }
    ::pthread_sigmask(SIG_SETMASK, &former, nullptr);
}

void Threads::serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        bool const filled =
            filled_.wait_for(lock, thread_patience.load(), [this] { return !jobs_.empty(); });
        --idle_;
        if (!filled)
            break;
        auto job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        job({});
        job.reset();
        lock.lock();
    }
    --threads_;
}

} // namespace

Found get_addresses(std::string const& host, std::uint16_t port, int family, int flags) {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* list = nullptr;
    Found found;
    errno = 0;
    found.status = host.find('\0') != host.npos
                       ? EAI_NONAME
                       : ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                       std::to_string(port).c_str(), &hints, &list);
    found.error = addrinfo_code(found.status, errno);
    std::unique_ptr<addrinfo, FreeAddrinfo> const owner(list);
    for (auto const* entry = list; entry != nullptr; entry = entry->ai_next) {
        Address const address(
            asio::generic::stream_protocol::endpoint(entry->ai_addr, entry->ai_addrlen));
        if (std::ranges::find(found.addresses, address) == found.addresses.end())
            found.addresses.push_back(address);
    }
    return found;
}

std::atomic<std::chrono::steady_clock::duration> thread_patience{std::chrono::seconds(5)};

void run_detached(Function<void(error_code)> job) {
    Threads::of_this_process().run(std::move(job));
}

std::size_t detached_threads() {
    return Threads::of_this_process().count();
}

} // namespace detail

// ---- One request

// The handler is in the wait of a timer that never expires: so the context has work while an answer
// is awaited, and drops the handler when it is destroyed first. The answer ends the wait.
class Resolver::Request : public std::enable_shared_from_this<Request> {
public:
    using Handler = detail::Completion<std::vector<Address>>;

    explicit Request(asio::any_io_executor const& executor)
        : wait_(std::in_place, executor, asio::steady_timer::time_point::max()) {}

    void start(Handler&& handler);
    /// look_up has returned or thrown: only now does a completion that it has dropped count.
    void begun();
    // On any thread.
    void answer(error_code ec, std::vector<Address> addresses);
    void drop();
    bool wanted();

private:
    // Calls the handler, or says that the context is gone.
    struct Wait {
        Wait(std::shared_ptr<Request> request, Handler&& to)
            : request_(std::move(request)), handler_(std::move(to)) {}
        Wait(Wait&&) = default;
        ~Wait() {
            if (request_)
                request_->abandon();
        }
        void operator()(error_code) {
            auto const request = std::exchange(request_, nullptr);
            request->abandon();
            handler_(request->error_, std::move(request->addresses_));
        }

        std::shared_ptr<Request> request_;
        Handler handler_;
    };

    void abandon() noexcept;

    std::mutex mutex_; // guards what follows until the answer, which the loop's thread then reads
    std::optional<asio::steady_timer> wait_;
    bool beginning_ = true; // in look_up
    bool dropped_ = false;  // meanwhile
    bool answered_ = false;
    error_code error_;
    std::vector<Address> addresses_;
};

void Resolver::Request::start(Handler&& handler) {
    if (auto slot = handler.slot(); slot.is_connected())
        slot.assign([weak = weak_from_this()](asio::cancellation_type) {
            if (auto const self = weak.lock())
                self->answer(asio::error::operation_aborted, {});
        });
    wait_->async_wait(Wait(shared_from_this(), std::move(handler)));
}

// The lock is held while the context is used: its destruction waits in abandon().
void Resolver::Request::answer(error_code ec, std::vector<Address> addresses) {
    std::lock_guard const lock(mutex_);
    if (std::exchange(answered_, true))
        return;
    error_ = !ec && addresses.empty() ? asio::error::host_not_found : ec;
    addresses_ = std::move(addresses);
    asio::post(wait_->get_executor(), [self = shared_from_this()] {
        if (self->wait_)
            self->wait_->cancel();
    });
}

void Resolver::Request::drop() {
    {
        std::lock_guard const lock(mutex_);
        dropped_ = beginning_;
        if (dropped_)
            return;
    }
    answer(asio::error::operation_aborted, {});
}

void Resolver::Request::begun() {
    {
        std::lock_guard const lock(mutex_);
        beginning_ = false;
        if (!dropped_)
            return;
    }
    answer(asio::error::operation_aborted, {});
}

bool Resolver::Request::wanted() {
    std::lock_guard const lock(mutex_);
    return !answered_;
}

void Resolver::Request::abandon() noexcept {
    std::lock_guard const lock(mutex_);
    answered_ = true;
    wait_.reset();
}

// ---- Completion

Resolver::Completion::Completion(std::shared_ptr<Request> request) noexcept
    : request_(std::move(request)) {}

Resolver::Completion& Resolver::Completion::operator=(Completion&& other) noexcept {
    Completion former(std::move(other));
    request_.swap(former.request_);
    return *this;
}

Resolver::Completion::~Completion() {
    if (request_)
        request_->drop();
}

void Resolver::Completion::operator()(error_code ec, std::vector<Address> addresses) {
    request_->answer(ec, std::move(addresses));
}

bool Resolver::Completion::wanted() const {
    return request_->wanted();
}

// ---- Resolver

namespace {

// What a look_up that threw is reported as, beside its line in the log.
error_code code_for(std::exception_ptr const& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (system_error const& e) {
        return e.code();
    } catch (std::system_error const& e) {
        return detail::code_of(e);
    } catch (std::bad_alloc const&) {
        return asio::error::no_memory;
    } catch (...) {
        return asio::error::no_recovery;
    }
}

} // namespace

Resolver::Resolver() : Resolver(IOLoop::current()) {}

Resolver::Resolver(IOLoop& loop) : Resolver(loop.get_executor()) {}

Resolver::Resolver(asio::any_io_executor executor)
    : executor_(std::make_unique<detail::TetheredExecutor>(std::move(executor))) {}

Resolver::~Resolver() = default;

Resolver::executor_type const& Resolver::get_executor() const noexcept {
    return executor_->get();
}

void Resolver::start(std::string const& host, std::uint16_t port, int family,
                     detail::Completion<std::vector<Address>>&& handler) {
    if (executor_->ended())
        return;
    auto const request = std::make_shared<Request>(get_executor());
    request->start(std::move(handler));
    try {
        look_up(host, port, family, Completion(request));
    } catch (...) {
        log(Logger::application, LogLevel::error,
            "Exception in look_up of \"" + detail::printable(host) +
                "\": " + describe(std::current_exception()));
        request->answer(code_for(std::current_exception()), {});
    }
    request->begun();
}

void Resolver::look_up(std::string host, std::uint16_t port, int family, Completion completion) {
    if (host.empty())
        return completion(asio::error::host_not_found);
    auto literal = detail::get_addresses(host, port, family, AI_NUMERICHOST);
    if (literal.status != EAI_NONAME)
        return completion(literal.error, std::move(literal.addresses));
    detail::run_detached([host = std::move(host), port, family,
                          completion = std::move(completion)](error_code no_thread) mutable {
        if (no_thread)
            return completion(no_thread);
        if (!completion.wanted())
            return;
        auto found = detail::get_addresses(host, port, family, 0);
        completion(found.error, std::move(found.addresses));
    });
}

void Resolver::pass_on(Resolver& other, std::string host, std::uint16_t port, int family,
                       Completion completion) {
    other.look_up(std::move(host), port, family, std::move(completion));
}

// ---- OverrideResolver

OverrideResolver::OverrideResolver(Resolver& resolver, Mapping mapping)
    : OverrideResolver(std::shared_ptr<Resolver>(std::shared_ptr<void>(), &resolver),
                       std::move(mapping)) {}

OverrideResolver::OverrideResolver(std::shared_ptr<Resolver> resolver, Mapping mapping)
    : Resolver(resolver->get_executor()),
      resolver_(std::move(resolver)),
      mapping_(std::move(mapping)) {}

void OverrideResolver::close() {
    resolver_->close();
}

void OverrideResolver::look_up(std::string host, std::uint16_t port, int family,
                               Completion completion) {
    for (auto const& key : {Key(host, port, family), Key(host, port), Key(host)})
        if (auto const found = mapping_.find(key); found != mapping_.end()) {
            host = found->second.host;
            port = found->second.port.value_or(port);
            break;
        }
    pass_on(*resolver_, std::move(host), port, family, std::move(completion));
}

} // namespace tornado
