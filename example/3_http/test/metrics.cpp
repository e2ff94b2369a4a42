// SPDX-License-Identifier: BSL-1.0
// The text for Prometheus, whole.
#include "metrics.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <string>

using demo::Figures;
using demo::prometheus_text;

namespace {

bool has_line(std::string const& text, std::string const& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_SUITE(metrics)

BOOST_AUTO_TEST_CASE(each_figure_is_a_sample) {
    Figures figures;
    figures.servers.resize(2);
    figures.servers[0].name = "http";
    figures.servers[1].name = "https";
    auto& stats = figures.servers[1].stats;
    stats.accepted = 1;
    stats.active = 2;
    stats.pending = 3;
    stats.pauses = 4;
    stats.accept_errors = 5;
    stats.rejected = 6;
    stats.address_refusals = 7;
    stats.proxy_failures = 40;
    stats.proxy_strangers = 8;
    stats.proxy_timeouts = 9;
    stats.idle_timeouts = 10;
    stats.first_byte_timeouts = 11;
    stats.rate_timeouts = 12;
    stats.handshakes = 50;
    stats.resumptions = 13;
    stats.tls_failures = 14;
    stats.handshake_timeouts = 15;
    stats.bytes_in = 16;
    stats.bytes_out = 18'446'744'073'709'551'615U;
    figures.loop.iterations = 20;
    figures.loop.callbacks = 21;
    figures.loop.coroutines = 22;
    figures.loop.timeouts = 23;
    figures.loop.handlers = 24;
    figures.loop.signals = 25;
    figures.loop.executor_calls = 26;
    figures.loop.longest_block = std::chrono::milliseconds(1500);
    figures.requests = 27;
    auto const text = prometheus_text(figures);
    std::string const server = "tornado_server_";
    for (auto const* line : {
             "accepted_connections_total{server=\"https\"} 1",
             "accepted_connections_total{server=\"http\"} 0",
             "active_connections{server=\"https\"} 2",
             "pending_connections{server=\"https\"} 3",
             "accept_pauses_total{server=\"https\"} 4",
             "accept_errors_total{server=\"https\"} 5",
             "rejected_connections_total{server=\"https\",reason=\"failure\"} 6",
             "rejected_connections_total{server=\"https\",reason=\"address_limit\"} 7",
             "rejected_connections_total{server=\"https\",reason=\"proxy_stranger\"} 8",
             "rejected_connections_total{server=\"https\",reason=\"proxy_timeout\"} 9",
             "rejected_connections_total{server=\"https\",reason=\"proxy_header\"} 23",
             "timed_out_connections_total{server=\"https\",reason=\"idle\"} 10",
             "timed_out_connections_total{server=\"https\",reason=\"first_byte\"} 11",
             "timed_out_connections_total{server=\"https\",reason=\"rate\"} 12",
             "timed_out_connections_total{server=\"https\",reason=\"handshake\"} 15",
             "tls_handshakes_total{server=\"https\",resumed=\"false\"} 37",
             "tls_handshakes_total{server=\"https\",resumed=\"true\"} 13",
             "tls_failures_total{server=\"https\"} 14",
             "received_bytes_total{server=\"https\"} 16",
             "sent_bytes_total{server=\"https\"} 18446744073709551615",
         })
        BOOST_TEST(has_line(text, server + line), line);
    for (auto const* line : {
             "tornado_loop_iterations_total 20",
             "tornado_loop_longest_block_seconds 1.5",
             "tornado_loop_pending{kind=\"callback\"} 21",
             "tornado_loop_pending{kind=\"coroutine\"} 22",
             "tornado_loop_pending{kind=\"timeout\"} 23",
             "tornado_loop_pending{kind=\"handler\"} 24",
             "tornado_loop_pending{kind=\"signal\"} 25",
             "tornado_loop_pending{kind=\"executor_call\"} 26",
             "http_requests_total 27",
         })
        BOOST_TEST(has_line(text, line), line);
}

BOOST_AUTO_TEST_CASE(each_family_has_its_help_and_type_once_and_before_its_samples) {
    Figures figures;
    figures.servers.resize(3);
    auto const text = prometheus_text(figures);
    std::string const family = "tornado_server_active_connections";
    auto const help = text.find("# HELP " + family + " Connections that are open.\n# TYPE " +
                                family + " gauge\n" + family + '{');
    BOOST_TEST(help != text.npos);
    BOOST_TEST(text.find("# HELP " + family, help + 1) == text.npos);
    BOOST_TEST(text.find("longest_block") == text.npos); // it is not known
    BOOST_TEST(text.ends_with("\nhttp_requests_total 0\n"));
}

BOOST_AUTO_TEST_SUITE_END()
