// SPDX-License-Identifier: BSL-1.0
// Any bytes, in pieces of any size, are judged as they are in one piece.
#include "netutil/proxy_parser.hpp"

#include "fuzz/input.hpp"

#include <algorithm>

using namespace tornado::test;
using tornado::detail::ProxyParser;
using State = ProxyParser::State;

namespace {

/// How many bytes were taken.
std::size_t feed(ProxyParser& parser, std::string_view bytes) {
    std::size_t taken = 0;
    while (parser.state() == State::incomplete && taken < bytes.size()) {
        std::string const rest(bytes.substr(taken)); // a place of its own, for the sanitizer
        auto const n = parser.feed(rest);
        require(n <= rest.size() && (n != 0 || parser.state() == State::malformed));
        taken += n;
    }
    return taken;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    Input input(data, size);
    auto const piece = 1 + std::size_t{input.byte()};
    auto const all = input.bytes(size);
    ProxyParser whole;
    auto const taken = feed(whole, all);
    ProxyParser pieces;
    std::size_t sum = 0;
    for (std::size_t i = 0; i < all.size() && pieces.state() == State::incomplete; i += piece)
        sum += feed(pieces, all.substr(i, piece));
    require(pieces.state() == whole.state() && pieces.problem() == whole.problem());
    require(whole.state() == State::malformed || sum == taken);
    if (whole.state() == State::complete) {
        require(pieces.family() == whole.family() && pieces.source().port == whole.source().port &&
                pieces.tlvs().size() == whole.tlvs().size());
        ProxyParser::Tls tls{};
        for (auto const& tlv : whole.tlvs())
            ProxyParser::parse_tls(tlv.value, tls);
    } else if (whole.state() == State::incomplete) {
        require(taken == all.size());
    }
    return 0;
}
