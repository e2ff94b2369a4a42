// SPDX-License-Identifier: BSL-1.0
// Names follow Prometheus' conventions: base units, counters that end in _total, a label where one
// thing has several reasons, so that their sum makes sense.
#include "metrics.hpp"

#include <charconv>
#include <chrono>
#include <utility>

namespace demo {
namespace {

class Text {
public:
    /// What the samples that follow belong to. `type`: counter or gauge.
    void family(std::string_view name, std::string_view type, std::string_view help) {
        name_ = name;
        for (auto const& [what, value] : {std::pair("HELP", help), std::pair("TYPE", type)})
            text_.append("# ").append(what).append(" ").append(name).append(" ").append(value) +=
                '\n';
    }

    template <class Number>
    void sample(Number value, std::string_view labels = {}) {
        text_.append(name_);
        if (!labels.empty())
            text_.append("{").append(labels).append("}");
        char number[32];
        text_.append(" ").append(number,
                                 std::to_chars(number, number + sizeof number, value).ptr) += '\n';
    }

    std::string take() { return std::move(text_); }

private:
    std::string_view name_;
    std::string text_;
};

using Stats = tornado::TCPServerStats;

class Servers {
public:
    Servers(Text& text, std::vector<Figures::Server> const& servers)
        : text_(text), servers_(servers) {}

    template <class Number>
    void all(std::string_view name, std::string_view type, std::string_view help,
             Number Stats::*figure) {
        text_.family(name, type, help);
        for (auto const& server : servers_)
            text_.sample(server.stats.*figure, label(server));
    }

    /// One sample for each reason, of which `figures` gives a list of pairs.
    template <class F>
    void by(std::string_view reason, std::string_view name, std::string_view help, F figures) {
        text_.family(name, "counter", help);
        for (auto const& server : servers_)
            for (auto const& [value, number] : figures(server.stats))
                text_.sample(
                    number,
                    label(server).append(",").append(reason).append("=\"").append(value).append(
                        "\""));
    }

private:
    static std::string label(Figures::Server const& server) {
        return std::string("server=\"").append(server.name).append("\"");
    }

    Text& text_;
    std::vector<Figures::Server> const& servers_;
};

using List = std::vector<std::pair<std::string_view, std::uint64_t>>;

void append_servers(Text& text, std::vector<Figures::Server> const& list) {
    Servers servers(text, list);
    servers.all("tornado_server_accepted_connections_total", "counter",
                "Connections given to a handler.", &Stats::accepted);
    servers.all("tornado_server_active_connections", "gauge", "Connections that are open.",
                &Stats::active);
    servers.all("tornado_server_pending_connections", "gauge",
                "Connections whose PROXY header has not come.", &Stats::pending);
    servers.all("tornado_server_accept_pauses_total", "counter",
                "Times that accepting paused because all permitted connections were open.",
                &Stats::pauses);
    servers.all("tornado_server_accept_errors_total", "counter", "Failed accepts.",
                &Stats::accept_errors);
    servers.by("reason", "tornado_server_rejected_connections_total",
               "Connections closed before a handler had them.", [](Stats const& stats) {
                   return List{{"address_limit", stats.address_refusals},
                               {"failure", stats.rejected},
                               {"proxy_header", stats.proxy_failures - stats.proxy_strangers -
                                                    stats.proxy_timeouts},
                               {"proxy_stranger", stats.proxy_strangers},
                               {"proxy_timeout", stats.proxy_timeouts}};
               });
    servers.by("reason", "tornado_server_timed_out_connections_total",
               "Connections closed because their peer took too long.", [](Stats const& stats) {
                   return List{{"first_byte", stats.first_byte_timeouts},
                               {"handshake", stats.handshake_timeouts},
                               {"idle", stats.idle_timeouts},
                               {"rate", stats.rate_timeouts}};
               });
    servers.by("resumed", "tornado_server_tls_handshakes_total", "Completed TLS handshakes.",
               [](Stats const& stats) {
                   return List{{"false", stats.handshakes - stats.resumptions},
                               {"true", stats.resumptions}};
               });
    servers.all("tornado_server_tls_failures_total", "counter",
                "Connections that ended before their TLS handshake did.", &Stats::tls_failures);
    servers.all("tornado_server_received_bytes_total", "counter", "Bytes received.",
                &Stats::bytes_in);
    servers.all("tornado_server_sent_bytes_total", "counter", "Bytes sent.", &Stats::bytes_out);
}

void append_loop(Text& text, tornado::IOLoopStats const& stats) {
    text.family("tornado_loop_iterations_total", "counter",
                "Turns of streams, and passes over callbacks, timeouts and descriptors.");
    text.sample(stats.iterations);
    if (stats.longest_block) {
        text.family("tornado_loop_longest_block_seconds", "gauge",
                    "The longest time that the loop took to answer.");
        text.sample(std::chrono::duration<double>(*stats.longest_block).count());
    }
    text.family("tornado_loop_pending", "gauge", "What the loop has yet to call.");
    for (auto const& [kind, number] :
         {std::pair("callback", stats.callbacks), std::pair("coroutine", stats.coroutines),
          std::pair("executor_call", stats.executor_calls), std::pair("handler", stats.handlers),
          std::pair("signal", stats.signals), std::pair("timeout", stats.timeouts)})
        text.sample(number, std::string("kind=\"").append(kind).append("\""));
}

} // namespace

std::string prometheus_text(Figures const& figures) {
    Text text;
    append_servers(text, figures.servers);
    append_loop(text, figures.loop);
    text.family("http_requests_total", "counter", "Requests that were answered.");
    text.sample(figures.requests);
    return text.take();
}

} // namespace demo
