// SPDX-License-Identifier: BSL-1.0
// Subprocess: a program, its pipes, and the waits for its end.
#include "tornado/process.hpp"

#include "tornado/ioloop.hpp"
#include "tornado/netutil.hpp"

#include "last_error.hpp"
#include "process/child.hpp"
#include "process/exit_watch.hpp"
#include "process/spawn.hpp"
#include "tether.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <string_view>
#include <unistd.h>

namespace tornado {
namespace {

using detail::Descriptor;

constexpr char const* names[] = {"stdin", "stdout", "stderr"};

class ExitCategory final : public boost::system::error_category {
public:
    char const* name() const noexcept override { return "tornado.exit"; }

    std::string message(int value) const override {
        if (value >= 0)
            return "The program exited with status " + std::to_string(value);
        return "The program was killed by signal " + std::to_string(-value) + " (" +
               ::strsignal(-value) + ")";
    }
};

// ---- Arguments

[[noreturn]] void refuse(std::string const& why) {
    throw std::invalid_argument("Subprocess: " + why);
}

void check_text(std::string_view text, char const* what) {
    if (text.find('\0') != text.npos)
        refuse(std::string(what) + " has a NUL in it, where a program would see the end");
}

void check(std::vector<std::string> const& arguments, SubprocessOptions const& options) {
    if (arguments.empty() || arguments[0].empty())
        refuse("there is no program: give its name or path as the first argument");
    for (auto const& argument : arguments)
        check_text(argument, "an argument");
    check_text(options.cwd, "cwd");
    for (auto const& [name, value] : options.env) {
        check_text(name, "the name of a variable in env");
        check_text(value, "the value of a variable in env");
        if (name.empty() || name.find('=') != name.npos)
            refuse("\"" + name + "\" in env is not the name of a variable");
    }
    if (options.stdin_ == Stdio::to_stdout || options.stdout_ == Stdio::to_stdout)
        refuse("to_stdout is for stderr alone");
}

// ---- Standard descriptors

[[noreturn]] void throw_no_descriptor(std::size_t number) {
    auto const error = detail::last_error();
    throw system_error(
        error,
        std::string("Subprocess: nothing to connect ") + names[number] + " to" +
            (error.value() == EMFILE ? ": raise ulimit -n, or close what is not needed" : ""));
}

/// What a program starts with: descriptors that are open until it has started.
class Connections {
public:
    Connections(asio::any_io_executor const& executor, SubprocessOptions const& options)
        : executor_(executor), options_(options) {
        Stdio const stdio[] = {options.stdin_, options.stdout_, options.stderr_};
        for (std::size_t number = 0; number < std::size(stdio); ++number)
            theirs[number] = connect(number, stdio[number]);
    }

    std::array<int, 3> theirs; // as spawn() takes them
    std::array<PipeIOStreamPtr, 3> streams;

private:
    int connect(std::size_t number, Stdio stdio) {
        if (auto const fd = stdio.descriptor()) {
            if (::fcntl(*fd, F_GETFD) < 0)
                refuse("descriptor " + std::to_string(*fd) + ", given as " + names[number] +
                       ", is not open");
            return *fd;
        }
        if (stdio == Stdio::STREAM)
            return connect_pipe(number);
        if (stdio == Stdio::null)
            return keep(number, ::open("/dev/null", O_RDWR | O_CLOEXEC));
        if (stdio == Stdio::to_stdout)
            return theirs[1] < 0 ? STDOUT_FILENO : theirs[1];
        return -1;
    }

    int connect_pipe(std::size_t number) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0)
            throw_no_descriptor(number);
        bool const is_input = number == 0;
        int const child_end = keep(number, ends[is_input ? 0 : 1]);
        Descriptor own_end(ends[is_input ? 1 : 0]);
        ::fcntl(own_end.native_handle(), F_SETFL, O_NONBLOCK);
        streams[number] =
            std::make_shared<PipeIOStream>(executor_, own_end.native_handle(), options_.streams);
        own_end.release();
        return child_end;
    }

    int keep(std::size_t number, int fd) {
        if (fd < 0)
            throw_no_descriptor(number);
        opened_[number] = Descriptor(fd);
        return fd;
    }

    asio::any_io_executor const& executor_;
    SubprocessOptions const& options_;
    std::array<Descriptor, 3> opened_{Descriptor(-1), Descriptor(-1), Descriptor(-1)};
};

} // namespace

boost::system::error_category const& exit_category() noexcept {
    static ExitCategory const category;
    return category;
}

std::map<std::string, std::string> environment() {
    std::map<std::string, std::string> variables;
    for (char** variable = ::environ; variable && *variable; ++variable) {
        std::string_view const text(*variable);
        if (auto const end = text.find('='); end != text.npos)
            variables.emplace(text.substr(0, end), text.substr(end + 1));
    }
    return variables;
}

// ---- Subprocess

struct Subprocess::Impl final : std::enable_shared_from_this<Impl>, detail::Tether {
    explicit Impl(asio::any_io_executor with) : executor(std::move(with)) {
        if (!tie(executor))
            executor = detail::ended_executor();
    }

    std::shared_ptr<detail::ExitWatch> watch();
    void call_back();
    void context_ended() noexcept override;
    bool ended() const noexcept { return !tied(); }

    asio::any_io_executor executor;
    std::shared_ptr<detail::Child> child = std::make_shared<detail::Child>();
    std::weak_ptr<detail::ExitWatch> current_watch;
    std::shared_ptr<detail::ExitWatch> callbacks_watch; // while there is a callback
    detail::Function<void(int)> callback;
};

std::shared_ptr<detail::ExitWatch> Subprocess::Impl::watch() {
    auto watch = current_watch.lock();
    if (!watch) {
        current_watch = watch = std::make_shared<detail::ExitWatch>(executor, child);
        watch->start();
    }
    return watch;
}

void Subprocess::Impl::call_back() {
    callbacks_watch.reset();
    if (auto const end = child->end(); callback && end)
        std::exchange(callback, {})(end->returncode); // may destroy the Subprocess
}

void Subprocess::Impl::context_ended() noexcept {
    auto const self = weak_from_this().lock(); // the callback may be all that holds it
    executor = detail::ended_executor();
    callbacks_watch.reset();
    callback.reset();
}

Subprocess::Subprocess(std::vector<std::string> const& arguments, SubprocessOptions const& options)
    : Subprocess(IOLoop::current(), arguments, options) {}

Subprocess::Subprocess(IOLoop& loop, std::vector<std::string> const& arguments,
                       SubprocessOptions const& options)
    : Subprocess(loop.get_executor(), arguments, options) {}

Subprocess::Subprocess(asio::any_io_executor executor, std::vector<std::string> const& arguments,
                       SubprocessOptions const& options)
    : impl_(std::make_shared<Impl>(std::move(executor))) {
    check(arguments, options);
    Connections connections(impl_->executor, options);
    impl_->child->adopt(detail::spawn(arguments, connections.theirs, options.env, options.cwd));
    streams_ = std::move(connections.streams);
}

Subprocess::Subprocess(Subprocess&&) noexcept = default;

Subprocess& Subprocess::operator=(Subprocess&&) noexcept = default;

Subprocess::~Subprocess() = default;

Subprocess::executor_type const& Subprocess::get_executor() const noexcept {
    return impl_->executor;
}

pid_t Subprocess::pid() const noexcept {
    return impl_->child->pid();
}

std::optional<int> Subprocess::returncode() const {
    auto const end = impl_->child->end();
    return end ? std::optional(end->returncode) : std::nullopt;
}

void Subprocess::start_wait(bool raise_error, detail::Completion<int>&& handler) {
    if (impl_->ended())
        return;
    auto const slot = handler.slot();
    auto finish = [child = impl_->child, raise_error,
                   handler = std::move(handler)](error_code ec) mutable {
        auto const end = child->end();
        if (ec || !end)
            return handler(ec, 0);
        if (end->lost)
            ec = error_code(ECHILD, boost::system::system_category());
        else if (raise_error && end->returncode != 0)
            ec = error_code(end->returncode, exit_category());
        handler(ec, end->returncode);
    };
    if (impl_->child->end())
        return asio::post(impl_->executor, [finish = std::move(finish)]() mutable { finish({}); });
    impl_->watch()->wait(slot, std::move(finish));
}

void Subprocess::set_callback(detail::Function<void(int)> callback) {
    impl_->callbacks_watch.reset();
    impl_->callback.reset();
    if (!callback || impl_->ended())
        return;
    impl_->callback = std::move(callback);
    auto tell = [weak = std::weak_ptr(impl_)] {
        if (auto const impl = weak.lock())
            impl->call_back();
    };
    if (impl_->child->end())
        return asio::post(impl_->executor, std::move(tell));
    impl_->callbacks_watch = impl_->watch();
    impl_->callbacks_watch->on_exit(std::move(tell));
}

void Subprocess::send_signal(int signal) {
    if (auto const ec = impl_->child->send(signal))
        throw system_error(ec, "Subprocess: signal " + std::to_string(signal) + " to pid " +
                                   std::to_string(pid()));
}

} // namespace tornado
