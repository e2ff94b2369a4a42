// SPDX-License-Identifier: BSL-1.0
// PROXY headers of version 2, put together from their parts.
#pragma once

#include <boost/crc.hpp>

#include <cstddef>
#include <string>

namespace tornado::test {

inline std::string const ipv4_ends("\x0a\0\0\1\x0a\0\0\2\1\2\1\xbb", 12);
inline std::string const ipv6_ends = std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16) +
                                     std::string(15, '\0') + '\1' + std::string("\1\2\1\xbb", 4);

inline std::string unix_ends(std::string source = "/a", std::string destination = "/b") {
    source.resize(108);
    destination.resize(108);
    return source + destination;
}

inline std::string number(std::size_t n) {
    return {static_cast<char>(n >> 8), static_cast<char>(n & 0xff)};
}

inline std::string tlv(int type, std::string const& value) {
    return static_cast<char>(type) + number(value.size()) + value;
}

/// `command`: version and command; `family`: family and protocol.
inline std::string binary_header(int command, int family, std::string const& rest) {
    return std::string("\r\n\r\n\0\r\nQUIT\n", 12) + static_cast<char>(command) +
           static_cast<char>(family) + number(rest.size()) + rest;
}

/// The same with its checksum, for which there is a TLV of four zeros.
inline std::string with_checksum(std::string header) {
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    crc.process_bytes(header.data(), header.size());
    auto const place = header.find(std::string("\3\0\4\0\0\0\0", 7)) + 3;
    return header.replace(place, 4, number(crc.checksum() >> 16) + number(crc.checksum() & 0xffff));
}

} // namespace tornado::test
