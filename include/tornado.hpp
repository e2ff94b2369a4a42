// SPDX-License-Identifier: BSL-1.0
// Everything in one include.
#pragma once

#include "tornado/address.hpp"
#include "tornado/cpu_count.hpp"
#include "tornado/error.hpp"
#include "tornado/fork.hpp"
#include "tornado/gen.hpp"
#include "tornado/handover.hpp"
#include "tornado/ioloop.hpp"
#include "tornado/iostream.hpp"
#include "tornado/locks.hpp"
#include "tornado/log.hpp"
#include "tornado/netutil.hpp"
#include "tornado/process.hpp"
#include "tornado/proxy_header.hpp"
#include "tornado/queues.hpp"
#include "tornado/resolver.hpp"
#include "tornado/shared_acceptor.hpp"
#include "tornado/ssl_options.hpp"
#include "tornado/systemd.hpp"
#include "tornado/tcpclient.hpp"
#include "tornado/tcpserver.hpp"
#include "tornado/threads.hpp"
#include "tornado/version.hpp"

/// Tornado's TCP layer: loops, streams, servers, clients, processes.
namespace tornado {}
