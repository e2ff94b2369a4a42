// SPDX-License-Identifier: BSL-1.0
#include "netutil/proxy_parser.hpp"

#include <boost/crc.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <utility>

namespace tornado::detail {
namespace {

constexpr std::string_view line_start = "PROXY ";
constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t longest_line = 107; // with its end
constexpr std::size_t fixed_part = 16;    // of a binary header
constexpr std::size_t path_size = 108;
constexpr std::uint8_t type_crc32c = 0x03;

unsigned byte_at(std::string_view bytes, std::size_t place) {
    return static_cast<unsigned char>(bytes[place]);
}

std::uint16_t number_at(std::string_view bytes, std::size_t place) {
    return static_cast<std::uint16_t>(byte_at(bytes, place) << 8 | byte_at(bytes, place + 1));
}

bool agrees(std::string_view text, std::string_view beginning) {
    auto const both = std::min(text.size(), beginning.size());
    return text.substr(0, both) == beginning.substr(0, both);
}

bool parse_port(std::string_view text, std::uint16_t& port) {
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() &&
           (text.size() == 1 || text[0] != '0');
}

/// The text before the next space, which is taken off with it.
std::string_view next_word(std::string_view& text) {
    auto const end = std::min(text.find(' '), text.size());
    auto const word = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return word;
}

// The checksum was reckoned with zeros in its own place.
bool checksum_holds(std::string_view header, std::string_view value) {
    if (value.size() != 4)
        return false;
    auto const place = static_cast<std::size_t>(value.data() - header.data());
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    crc.process_bytes(header.data(), place);
    crc.process_bytes("\0\0\0", 4);
    crc.process_bytes(header.data() + place + 4, header.size() - place - 4);
    auto const told = std::uint32_t{number_at(value, 0)} << 16 | number_at(value, 2);
    return crc.checksum() == told;
}

// An abstract name begins with a NUL; others end with one.
std::string path_of(std::string_view field) {
    if (field[0] != '\0')
        return std::string(field.substr(0, field.find('\0')));
    auto const last = field.find_last_not_of('\0');
    return std::string(field.substr(0, last == field.npos ? 0 : last + 1));
}

} // namespace

std::size_t ProxyParser::feed(std::string_view bytes) {
    if (state_ != State::incomplete || bytes.empty())
        return 0;
    auto const begin = text_.empty() ? bytes : std::string_view(text_);
    return begin[0] == line_start[0] ? feed_line(bytes) : feed_binary(bytes);
}

void ProxyParser::malformed(std::string problem) {
    state_ = State::malformed;
    problem_ = std::move(problem);
}

// ---- Version 1: a line of text

std::size_t ProxyParser::feed_line(std::string_view bytes) {
    auto const had = text_.size();
    text_ += bytes.substr(0, longest_line - had);
    if (!agrees(text_, line_start)) {
        malformed("what came is no PROXY header");
        return 0;
    }
    auto const end = text_.find("\r\n");
    if (end == text_.npos) {
        if (text_.size() == longest_line)
            malformed("a PROXY line that is longer than 107 bytes");
        return text_.size() - had;
    }
    text_.resize(end);
    parse_line(std::string_view(text_).substr(line_start.size()));
    return end + 2 - had;
}

void ProxyParser::parse_line(std::string_view line) {
    auto const protocol = next_word(line);
    if (protocol == "UNKNOWN") { // whatever follows
        state_ = State::complete;
        return;
    }
    bool const is_ipv4 = protocol == "TCP4";
    if (!is_ipv4 && protocol != "TCP6")
        return malformed("a PROXY line whose protocol is neither TCP4, TCP6 nor UNKNOWN");
    for (auto* const end : {&source_, &destination_})
        if (::inet_pton(is_ipv4 ? AF_INET : AF_INET6, std::string(next_word(line)).c_str(),
                        end->ip.data()) != 1)
            return malformed("a PROXY line with an address that is none");
    auto const source_port = next_word(line);
    if (!parse_port(source_port, source_.port) || !parse_port(line, destination_.port))
        return malformed("a PROXY line with a port that is none");
    family_ = is_ipv4 ? Family::ipv4 : Family::ipv6;
    state_ = State::complete;
}

// ---- Version 2: binary

std::size_t ProxyParser::feed_binary(std::string_view bytes) {
    std::size_t taken = 0;
    while (state_ == State::incomplete && taken < bytes.size()) {
        auto const part = bytes.substr(taken, length_ - text_.size());
        text_ += part;
        taken += part.size();
        if (!agrees(text_, signature))
            malformed("what came is no PROXY header");
        else if (text_.size() == length_ && length_ == fixed_part)
            parse_fixed_part();
        else if (text_.size() == length_)
            parse_binary();
    }
    return taken;
}

void ProxyParser::parse_fixed_part() {
    if (byte_at(text_, 12) >> 4 != 2)
        return malformed("a PROXY header of version " + std::to_string(byte_at(text_, 12) >> 4));
    if ((byte_at(text_, 12) & 0xf) > 1)
        return malformed("a PROXY header with an unknown command");
    length_ += number_at(text_, 14);
    if (length_ == fixed_part)
        parse_binary();
}

void ProxyParser::parse_binary() {
    bool const is_local = (byte_at(text_, 12) & 0xf) == 0;
    auto const family = byte_at(text_, 13) >> 4;
    auto const protocol = byte_at(text_, 13) & 0xf;
    std::string_view rest = std::string_view(text_).substr(fixed_part);
    if (is_local) { // of the balancer itself: the rest is of no account
        state_ = State::complete;
        return;
    }
    if (family > 3 || protocol > 2)
        return malformed("a PROXY header of an unknown family");
    if (protocol == 2)
        return malformed("a PROXY header for datagrams");
    constexpr std::size_t sizes[] = {0, 12, 36, 2 * path_size};
    auto const size = sizes[family];
    if (rest.size() < size)
        return malformed("a PROXY header that is too short for its addresses");
    auto const ip_size = family == 1 ? std::size_t{4} : std::size_t{16};
    if (family == 3) {
        source_.path = path_of(rest.substr(0, path_size));
        destination_.path = path_of(rest.substr(path_size, path_size));
        for (auto const* end : {&source_, &destination_})
            if (end->path.size() == path_size)
                return malformed("a PROXY header with a path that has no end");
    } else if (family != 0) {
        std::copy_n(rest.begin(), ip_size, source_.ip.begin());
        std::copy_n(rest.begin() + static_cast<std::ptrdiff_t>(ip_size), ip_size,
                    destination_.ip.begin());
        source_.port = number_at(rest, 2 * ip_size);
        destination_.port = number_at(rest, 2 * ip_size + 2);
    }
    rest.remove_prefix(size);
    if (!parse_tlvs(rest, tlvs_))
        return malformed("a PROXY header whose TLVs do not fit into it");
    for (std::size_t place = 0; place < rest.size(); place += 3u + number_at(rest, place + 1))
        if (byte_at(rest, place) == type_crc32c &&
            !checksum_holds(text_, rest.substr(place + 3, number_at(rest, place + 1))))
            return malformed("a PROXY header with a wrong checksum");
    // What has no protocol or no family names nobody.
    if (protocol == 1)
        family_ = static_cast<Family>(family);
    state_ = State::complete;
}

bool ProxyParser::parse_tlvs(std::string_view bytes, std::vector<Tlv>& tlvs) {
    while (!bytes.empty()) {
        if (bytes.size() < 3 || bytes.size() - 3 < number_at(bytes, 1))
            return false;
        auto const size = number_at(bytes, 1);
        tlvs.push_back({static_cast<std::uint8_t>(bytes[0]), std::string(bytes.substr(3, size))});
        bytes.remove_prefix(3u + size);
    }
    return true;
}

bool ProxyParser::parse_tls(std::string_view value, Tls& tls) {
    if (value.size() < 5)
        return false;
    tls.client = static_cast<std::uint8_t>(value[0]);
    tls.verify = std::uint32_t{number_at(value, 1)} << 16 | number_at(value, 3);
    return parse_tlvs(value.substr(5), tls.details);
}

} // namespace tornado::detail
