// SPDX-License-Identifier: BSL-1.0
// A public stream over a scripted transport.
#pragma once

#include "tornado/iostream.hpp"

#include "iostream/stream_core.hpp"
#include "support/io.hpp"
#include "support/scripted_transport.hpp"

#include <memory>

namespace tornado::test {

class ScriptedStream final : public BaseIOStream {
public:
    ScriptedStream(std::shared_ptr<Wire> wire, StreamOptions const& options, bool connected = true)
        : BaseIOStream(std::make_shared<detail::StreamCore>(
              std::make_unique<ScriptedTransport>(std::move(wire)), options, connected)) {}
};

/// A context, a wire and a stream on it.
struct Scripted : Io {
    std::shared_ptr<Wire> wire = std::make_shared<Wire>(executor());
    std::shared_ptr<ScriptedStream> stream;

    explicit Scripted(StreamOptions const& options = {}, bool connected = true)
        : stream(std::make_shared<ScriptedStream>(wire, options, connected)) {}
};

} // namespace tornado::test
