// SPDX-License-Identifier: BSL-1.0
// A PROXY protocol header, version 1 or 2, byte by byte. No I/O.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tornado::detail {

/// Takes the bytes that belong to the header and none after them. HAProxy's "The PROXY protocol,
/// versions 1 & 2".
class ProxyParser {
public:
    enum class State { incomplete, complete, malformed };
    /// none: the header names no addresses (LOCAL, UNKNOWN), and those of the connection count.
    enum class Family { none, ipv4, ipv6, unix_socket };

    struct End {
        std::array<unsigned char, 16> ip{}; // in the order of the network; IPv4 in the first four
        std::uint16_t port = 0;
        std::string path; // of a Unix socket
    };
    struct Tlv {
        std::uint8_t type;
        std::string value;
    };
    struct Tls {
        std::uint8_t client;  // flags
        std::uint32_t verify; // 0: the client's certificate is good
        std::vector<Tlv> details;
    };

    /// How many of these bytes belong to the header; with as many the state may change.
    std::size_t feed(std::string_view bytes);

    State state() const noexcept { return state_; }
    /// What is wrong with a malformed one.
    std::string const& problem() const noexcept { return problem_; }

    // Of a complete one
    Family family() const noexcept { return family_; }
    End const& source() const noexcept { return source_; }
    End const& destination() const noexcept { return destination_; }
    std::vector<Tlv> const& tlvs() const noexcept { return tlvs_; }
    /// Takes the value of a TLV of type SSL apart; false if that is malformed.
    static bool parse_tls(std::string_view value, Tls& tls);

private:
    std::size_t feed_line(std::string_view bytes);
    std::size_t feed_binary(std::string_view bytes);
    void parse_line(std::string_view line);
    void parse_fixed_part();
    void parse_binary();
    void malformed(std::string problem);
    static bool parse_tlvs(std::string_view bytes, std::vector<Tlv>& tlvs);

    State state_ = State::incomplete;
    std::string problem_;
    std::string text_;        // what was taken so far
    std::size_t length_ = 16; // of a binary header, as far as it is known
    Family family_ = Family::none;
    End source_;
    End destination_;
    std::vector<Tlv> tlvs_;
};

} // namespace tornado::detail
