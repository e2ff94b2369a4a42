// SPDX-License-Identifier: BSL-1.0
// add_signal_handler, on asio::signal_set.
#include "ioloop/impl.hpp"

#include <string>

namespace tornado {

struct IOLoop::Impl::SignalHandler : std::enable_shared_from_this<SignalHandler> {
    SignalHandler(asio::io_context& context, std::shared_ptr<detail::CallbackRunner> a_runner,
                  detail::Callback a_callback)
        : set(std::in_place, context),
          runner(std::move(a_runner)),
          callback(std::move(a_callback)) {}

    void wait() {
        set->async_wait([self = shared_from_this()](error_code ec, int) {
            if (ec || !self->set)
                return;
            self->wait();
            self->runner->run(self->callback, [self] {});
        });
    }

    std::optional<asio::signal_set> set; // empty: removed
    std::shared_ptr<detail::CallbackRunner> runner;
    detail::Callback callback;
};

void IOLoop::set_signal_handler(int signal, detail::Callback callback) {
    if (impl_->closed)
        return;
    auto handler =
        std::make_shared<Impl::SignalHandler>(impl_->context, impl_->runner, std::move(callback));
    error_code ec;
    handler->set->add(signal, ec);
    if (ec)
        throw system_error(ec, "IOLoop::add_signal_handler: signal " + std::to_string(signal));
    remove_signal_handler(signal);
    impl_->signals[signal] = handler;
    handler->wait();
}

void IOLoop::remove_signal_handler(int signal) {
    impl_->remove_signal_handler(signal);
}

void IOLoop::Impl::remove_signal_handler(int signal) {
    if (auto const handler = signals.extract(signal))
        handler.mapped()->set.reset();
}

} // namespace tornado
