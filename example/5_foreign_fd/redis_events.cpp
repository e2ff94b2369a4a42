// SPDX-License-Identifier: BSL-1.0
// Five hooks of hiredis on three functions of the loop.
#include "redis_events.hpp"

#include <memory>
#include <utility>

namespace relay {
namespace {

using tornado::IOLoop;

class Events : public std::enable_shared_from_this<Events> {
public:
    Events(IOLoop& loop, redisAsyncContext& context) : loop_(loop), context_(&context) {}

    void listen() {
        // The handler keeps this alive: hiredis may free its context in the middle of it.
        loop_.add_handler(
            context_->c.fd,
            [self = shared_from_this()](int, unsigned events) { self->handle(events); },
            IOLoop::NONE);
    }
    void add(unsigned event) { update(wanted_ | event); }
    void remove(unsigned event) { update(wanted_ & ~event); }
    void end() {
        auto const fd = std::exchange(context_, nullptr)->c.fd;
        loop_.remove_handler(fd); // and with it, perhaps, this
    }

private:
    void update(unsigned wanted) {
        if (wanted != wanted_)
            loop_.update_handler(context_->c.fd, wanted);
        wanted_ = wanted;
    }
    void handle(unsigned events) {
        if (context_ && (events & IOLoop::READ))
            redisAsyncHandleRead(context_);
        if (context_ && (events & IOLoop::WRITE))
            redisAsyncHandleWrite(context_);
    }

    IOLoop& loop_;
    redisAsyncContext* context_; // null once it is freed
    unsigned wanted_ = IOLoop::NONE;
};

Events& events(void* data) {
    return *static_cast<Events*>(data);
}

} // namespace

void attach(IOLoop& loop, redisAsyncContext& context) {
    auto const created = std::make_shared<Events>(loop, context);
    created->listen();
    context.ev.data = created.get();
    context.ev.addRead = [](void* data) { events(data).add(IOLoop::READ); };
    context.ev.delRead = [](void* data) { events(data).remove(IOLoop::READ); };
    context.ev.addWrite = [](void* data) { events(data).add(IOLoop::WRITE); };
    context.ev.delWrite = [](void* data) { events(data).remove(IOLoop::WRITE); };
    context.ev.cleanup = [](void* data) { events(data).end(); };
}

} // namespace relay
