// SPDX-License-Identifier: BSL-1.0
// BaseIOStream: reads that say what they wait for, writes that share a send, and one close.
#pragma once

#include "tornado/detail/completion.hpp"
#include "tornado/detail/export.hpp"
#include "tornado/error.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tornado {

class BaseIOStream;
class IOLoop;

/// The limits of one stream.
struct StreamOptions {
    /// Bytes received and not yet taken by a read. A read that needs more fails with
    /// `error::buffer_full` and closes the stream (T099).
    std::size_t max_buffer_size = 100 * 1024 * 1024;
    /// Bytes asked of the kernel at a time. At most one chunk is received ahead of the reads
    /// (T085).
    std::size_t read_chunk_size = 64 * 1024;
    /// Bytes queued and not yet sent. A write that would pass it fails with `error::buffer_full`;
    /// the stream stays open (T098).
    std::size_t max_write_buffer_size = std::numeric_limits<std::size_t>::max();
    /// Keeps the stream open for writing when the peer ends its side. Without it the stream closes
    /// as soon as nothing is queued (T110).
    bool half_close = false;
    /// What completed writes took may still be sent so long after close(), and what is being
    /// written when the peer's end arrives may stand still so long; then the rest is dropped.
    std::chrono::steady_clock::duration linger = std::chrono::seconds(30);
};

namespace detail {
class SourceFile;
class StreamCore;
struct StreamAccess;
using VoidCompletion = Completion<>;
using StringCompletion = Completion<std::string>;
using SizeCompletion = Completion<std::size_t>;
using FileCompletion = Completion<std::uint64_t>;
inline constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();
} // namespace detail

/// What `write(data)` gives back: the write is under way already, and this may be dropped, awaited,
/// or called with a completion token. It refers to its stream and must not outlive it.
///
/// Completion signature `void(error_code)`: in the order of the writes, when the bytes were handed
/// to the kernel, or already when they were queued below the low-water mark (T095). What a
/// completed write took, close() never drops. Errors: the cause of the close, if the stream closed
/// first. Cancelling a wait leaves the bytes in the queue.
///
///     stream->write("220 ready\r\n");                // nobody waits
///     co_await stream->write(std::move(answer));     // waits, without a send of its own
class TORNADO_ASIO_EXPORT WriteOperation {
public:
    /// Waits for the write, with a completion token.
    template <asio::completion_token_for<void(error_code)> Token>
    auto operator()(Token&& token) const;

private:
    friend class BaseIOStream;
    explicit WriteOperation(BaseIOStream* stream) noexcept : stream_(stream) {}
    void throw_if_full() const {
        if (failure_)
            throw_failure();
    }
    void throw_failure() const; // unless the stream is closed: whoever waits is told that

    BaseIOStream* stream_;
    std::uint64_t end_ = 0; // the stream's count of bytes written, this write included
    error_code failure_;
};

/// A buffered byte stream: the reads and writes of Tornado's BaseIOStream, over whatever transport
/// a subclass puts beneath.
///
/// Every read takes its completion token last; the default, `asio::deferred`, makes `co_await` work
/// in any `asio::awaitable`. No operation completes inside the call that starts it, and each
/// completes through the handler's associated executor. One read may be pending at a time: a second
/// completes with `error::already_reading` and harms nothing (T093). A read on a closed stream is
/// served while the buffer lasts (T067, T104), then completes with the cause of the close. A read
/// cancelled through its slot (terminal, partial or total) completes with `operation_aborted`; not
/// a byte is lost.
///
/// A stream belongs to one thread at a time, the one that runs its executor. It may be destroyed at
/// any moment there; when the last reference goes and nothing is in flight, it closes. When its
/// context ends first, it is closed with `operation_aborted`, and all handlers, those that it is
/// given later too, are destroyed uncalled; get_executor() then runs nothing.
class TORNADO_ASIO_EXPORT BaseIOStream : public std::enable_shared_from_this<BaseIOStream> {
public:
    /// Any of Asio's.
    using executor_type = asio::any_io_executor;
    /// Measures time: steps of the system's clock do not touch it.
    using clock = std::chrono::steady_clock;
    /// Asks for no other: there is no layer below.
    using lowest_layer_type = BaseIOStream;

    BaseIOStream(BaseIOStream const&) = delete;
    BaseIOStream& operator=(BaseIOStream const&) = delete;
    virtual ~BaseIOStream();

    /// The executor that the stream's socket came with; completions run there unless a handler
    /// names its own.
    executor_type const& get_executor() const noexcept;
    /// The IOLoop that lives on the executor's context; null when the context has none.
    IOLoop* loop() const noexcept;
    /// This stream: a layer of Asio's that is laid over it, such as `asio::ssl::stream<IOStream&>`,
    /// asks for what is at the bottom.
    lowest_layer_type& lowest_layer() noexcept { return *this; }
    /// The same.
    lowest_layer_type const& lowest_layer() const noexcept { return *this; }

    /// Reads up to and including the first `delimiter`.
    /// `max_bytes`: a longer run without it closes the stream with `error::unsatisfiable_read`
    /// (T079 to T082). Completion: `void(error_code, std::string)`. Throws std::invalid_argument
    /// for an empty delimiter. Tornado: read_until.
    template <asio::completion_token_for<void(error_code, std::string)> Token = asio::deferred_t>
    [[nodiscard]] auto read_until(std::string_view delimiter, Token&& token = asio::deferred_t());
    /// The same, with a limit.
    template <asio::completion_token_for<void(error_code, std::string)> Token = asio::deferred_t>
    [[nodiscard]] auto read_until(std::string_view delimiter, std::size_t max_bytes,
                                  Token&& token = asio::deferred_t());

    /// Reads up to the end of the first match of a regular expression, what stands before it
    /// included (T083, T084); it is delivered when it is there, even if more bytes could extend it.
    /// The syntax is Perl's without recursion and `\G`, read as Python reads it: `.` matches all
    /// but a newline, `^` the first byte and `$` the end of what was received, unless (?s) or (?m)
    /// say otherwise. Compiled expressions are kept, so a loop may pass the same text again and
    /// again. `max_bytes`: as in read_until.
    ///
    /// Most expressions look once at each byte. One that must go back, because of a back reference,
    /// an atomic group or a look around of no fixed length, may cost some 0.3 s of processor time,
    /// and as much again for each MiB; one that would cost more on the bytes received closes the
    /// stream with `error::expression_too_costly`. Completion: `void(error_code, std::string)`.
    /// Throws std::invalid_argument, which quotes the expression. Tornado: read_until_regex.
    template <asio::completion_token_for<void(error_code, std::string)> Token = asio::deferred_t>
    [[nodiscard]] auto read_until_regex(std::string_view expression,
                                        Token&& token = asio::deferred_t());
    /// The same, with a limit.
    template <asio::completion_token_for<void(error_code, std::string)> Token = asio::deferred_t>
    [[nodiscard]] auto read_until_regex(std::string_view expression, std::size_t max_bytes,
                                        Token&& token = asio::deferred_t());

    /// Reads `n` bytes; with `partial`, at least one and at most `n`, as soon as any are there
    /// (T061, T078). Completion: `void(error_code, std::string)`. Tornado: read_bytes.
    template <asio::completion_token_for<void(error_code, std::string)> Token = asio::deferred_t>
    [[nodiscard]] auto read_bytes(std::size_t n, Token&& token = asio::deferred_t());
    /// The same, or as many as there are.
    template <asio::completion_token_for<void(error_code, std::string)> Token = asio::deferred_t>
    [[nodiscard]] auto read_bytes(std::size_t n, bool partial, Token&& token = asio::deferred_t());

    /// Fills `buffer`, which must live until completion; with `partial`, completes as soon as any
    /// bytes are there (T088 to T091). A read that fails or is cancelled half-way gives its bytes
    /// back to the stream. Completion: `void(error_code, std::size_t)`, the bytes read. Tornado:
    /// read_into.
    template <asio::completion_token_for<void(error_code, std::size_t)> Token = asio::deferred_t>
    [[nodiscard]] auto read_into(asio::mutable_buffer buffer, Token&& token = asio::deferred_t());
    /// The same, or as many as there are.
    template <asio::completion_token_for<void(error_code, std::size_t)> Token = asio::deferred_t>
    [[nodiscard]] auto read_into(asio::mutable_buffer buffer, bool partial,
                                 Token&& token = asio::deferred_t());

    /// Reads all there is until the stream closes; the end of the stream is no error here (T060,
    /// T069, T102). Completion: `void(error_code, std::string)`. Tornado: read_until_close.
    template <asio::completion_token_for<void(error_code, std::string)> Token = asio::deferred_t>
    [[nodiscard]] auto read_until_close(Token&& token = asio::deferred_t());

    /// What was received and not read, in one piece: for parsers that take no copy. Valid until the
    /// thread goes back to its loop (a callback ends, a `co_await` waits), or the next read, fill()
    /// or close(); write() and consume() leave it as it is, so that
    /// `write(buffered().substr(0, n))` is well-defined. Empty before the first read, as a rule: a
    /// stream receives when it is asked to. Stays readable when the stream has closed.
    std::string_view buffered() noexcept;

    /// Takes the first `n` bytes of buffered(); the rest of a view stays valid. Throws
    /// std::invalid_argument, and takes nothing, if they are fewer, and
    /// system_error(error::already_reading) while a read is pending.
    void consume(std::size_t n);

    /// A read that leaves what it waits for in buffered(): completes when `n` bytes are there;
    /// without `n` when something is there that buffered() has not shown, nor an earlier fill()
    /// told of. So what comes in while a coroutine awaits something else is not missed, and a loop
    /// that has not enough yet does not spin.
    ///
    /// Completion: `void(error_code, std::size_t)`, the size of buffered(), beside an error too.
    /// Errors: as of any read; `error::buffer_full`, which closes the stream, when more than
    /// max_buffer_size would have to be buffered; the cause of the close when `n` bytes will never
    /// be there. What is buffered stays so. While bytes are buffered and no read is pending nothing
    /// is received, as ever. One read or fill() may be pending at a time (T093).
    ///
    ///     for (;;) {
    ///         auto const seen = stream->buffered();
    ///         if (auto const end = seen.rfind('\n'); end != seen.npos) {
    ///             stream->write(seen.substr(0, end + 1)); // all the lines that are here
    ///             stream->consume(end + 1);
    ///         }
    ///         co_await stream->fill();
    ///     }
    template <asio::completion_token_for<void(error_code, std::size_t)> Token = asio::deferred_t>
    [[nodiscard]] auto fill(Token&& token = asio::deferred_t());
    /// The same, until `n` bytes are there.
    template <asio::completion_token_for<void(error_code, std::size_t)> Token = asio::deferred_t>
    [[nodiscard]] auto fill(std::size_t n, Token&& token = asio::deferred_t());

    /// Queues `data` and returns; all that one turn of the loop writes leaves in one send. A string
    /// that is moved in is not copied if it is large; anything else is copied before the call
    /// returns. Legal while connecting (T062) and from anywhere on the loop's thread. Throws
    /// system_error(error::buffer_full), and queues nothing, when max_write_buffer_size would be
    /// passed (T098). On a closed stream nothing is queued, and whoever waits for the result is
    /// told. Tornado: write.
    WriteOperation write(std::string&& data);
    /// The same, of a copy.
    WriteOperation write(std::string_view data);
    /// The same, of a text that ends with a NUL.
    WriteOperation write(char const* data) { return write(std::string_view(data)); }
    /// The same, of a copy.
    WriteOperation write(asio::const_buffer data);

    /// The same with a completion token, `void(error_code)`, which is told of buffer_full too.
    template <class Data, class Token>
    auto write(Data&& data, Token&& token);

    /// Sends `count` bytes of a file, from `offset` on, in the order of the writes: what was
    /// written before leaves first, what is written after comes after, and completes when it was
    /// sent. `descriptor`: a regular file that can be read; it is duplicated, and may be closed as
    /// soon as this call has returned. Its place in the file is neither used nor moved. The file
    /// takes no room in the queue: it counts neither for max_write_buffer_size nor for the
    /// watermarks, and is sent as fast as the peer takes it, a turn's share at a time.
    ///
    /// A socket sends it by sendfile(2), a pipe takes it by splice(2); TLS, a socket's descriptor
    /// in a PipeIOStream, and file systems that know neither have it read a block at a time. All of
    /// them wait for the disk on the loop's thread, if what is read is not in the page cache. The
    /// kernel may keep the file's pages instead of copies: what is written over them before the
    /// peer has them may be what the peer gets.
    ///
    /// Completion: `void(error_code, std::uint64_t)`, the bytes that were handed to the kernel,
    /// beside an error too; without one they are `count`. Errors: the cause of the close, also of
    /// one by close(), which drops what is left of a file; `error::file_shrunk`, which closes the
    /// stream, when the file ends before the last byte (a line of the log says where), for whoever
    /// waits for them could not tell what comes next from what is missing. Cancelling it (any type)
    /// drops what is left: the stream stays open, and what was written behind follows; whoever had
    /// promised the bytes to the peer closes it.
    ///
    /// Throws in the caller, before anything is sent: std::invalid_argument, which names the
    /// descriptor and the remedy, for a directory, a pipe, what is not open to be read, and bytes
    /// beyond the end of the file; system_error when no descriptor is left.
    ///
    ///     co_await stream->write(head);
    ///     co_await stream->send_file(file, 0, size);
    template <asio::completion_token_for<void(error_code, std::uint64_t)> Token = asio::deferred_t>
    [[nodiscard]] auto send_file(int descriptor, std::uint64_t offset, std::uint64_t count,
                                 Token&& token = asio::deferred_t());

    /// Asio's AsyncReadStream, so that Asio's and Beast's algorithms run on `*stream`; a
    /// read_into(partial) of the first buffer that is not empty. Completion: `void(error_code,
    /// std::size_t)`.
    template <class MutableBufferSequence,
              asio::completion_token_for<void(error_code, std::size_t)> Token = asio::deferred_t>
    auto async_read_some(MutableBufferSequence const& buffers, Token&& token = asio::deferred_t());
    /// Asio's AsyncWriteStream. Short data are copied to the queue and share the turn's send; long
    /// data are sent from the caller's memory, which must live until completion. Completion:
    /// `void(error_code, std::size_t)`.
    template <class ConstBufferSequence,
              asio::completion_token_for<void(error_code, std::size_t)> Token = asio::deferred_t>
    auto async_write_some(ConstBufferSequence const& buffers, Token&& token = asio::deferred_t());

    /// Runs `callback` once when the stream has closed and what was pending has been failed (T075),
    /// always from the loop (T076), also if the stream is closed already. With one the stream looks
    /// ahead, to a chunk of unread bytes, for the peer's end (T109); a reset is noticed without. An
    /// empty function clears it (T108). It is released when it has run: until then a callback that
    /// holds the stream keeps it alive.
    void set_close_callback(std::function<void()> callback);

    /// Closes: a pending read takes what the buffer can satisfy (T102, T103), other pending
    /// operations fail with `cause`, or `error::stream_closed` if that is empty. What completed
    /// writes took is still sent, in the background if need be, for at most StreamOptions::linger;
    /// the rest of the queue is dropped (T101). Harmless twice (T105).
    void close(error_code cause = {});

    /// Closes as soon as everything queued has been sent and the peer has seen the end: takes no
    /// new operations, sends the queue, ends the write side, discards what still comes in until the
    /// peer ends its side too, and closes. After `deadline` it closes in any case.
    void close_after_flush(clock::duration deadline = std::chrono::seconds(30));

    /// Ends the write side after what is queued; reads go on. A later write fails with
    /// `broken_pipe`.
    void shutdown_write();

    /// True from close() or close_after_flush() on, or from the peer's end. That ends reads at
    /// once, but the stream only in the first turn in which nothing is queued, so that an answer
    /// which is being written arrives (T110); one that does not move for StreamOptions::linger is
    /// given up.
    bool closed() const noexcept;
    bool reading() const noexcept; ///< a read is pending (T122)
    bool writing() const noexcept; ///< bytes wait to be sent (T122)
    /// Why the stream closed, the cause that came first; empty while it is open and after a plain
    /// close(). End of stream is `asio::error::eof`.
    error_code error() const noexcept;

    /// Back-pressure: calls `callback(true)` from the loop when more than `high` bytes are queued
    /// and `callback(false)` when the queue has fallen to `low` again. `low` is also the mark below
    /// which a write completes when it is queued (64 KiB unless set). The callback is released when
    /// the stream has closed: until then one that holds the stream keeps it alive. Throws
    /// std::invalid_argument if low > high.
    void set_write_watermarks(std::size_t low, std::size_t high,
                              std::function<void(bool)> callback);

    /// The connection's number, by which log lines and IOLoop::describe() call it, as `connection
    /// 17 (192.0.2.1:5555)`: from 1 on, unique in the process, in the order in which connections
    /// were accepted and other streams made. A stream that start_tls makes of another has the
    /// other's; both keep it after the close.
    std::uint64_t id() const noexcept;

    std::uint64_t bytes_read() const noexcept;    ///< received, in all
    std::uint64_t bytes_written() const noexcept; ///< handed to the kernel, in all

protected:
    /// For the streams of this library.
    explicit BaseIOStream(std::shared_ptr<detail::StreamCore> core) noexcept;
    /// The body of the stream, which is private to the library.
    detail::StreamCore& core() noexcept { return *core_; }
    /// The same.
    detail::StreamCore const& core() const noexcept { return *core_; }

private:
    friend class WriteOperation;
    friend struct detail::StreamAccess;

    static void check_delimiter(std::string_view delimiter);
    static void check_expression(std::string_view expression);
    void start_read_until(std::string_view delimiter, std::size_t max_bytes,
                          detail::StringCompletion&&);
    void start_read_until_regex(std::string_view expression, std::size_t max_bytes,
                                detail::StringCompletion&&);
    void start_read_bytes(std::size_t n, bool partial, detail::StringCompletion&&);
    void start_read_until_close(detail::StringCompletion&&);
    void start_read_into(asio::mutable_buffer buffer, bool partial, detail::SizeCompletion&&);
    void start_fill(detail::SizeCompletion&&);
    void start_fill(std::size_t n, detail::SizeCompletion&&);
    WriteOperation start_write(std::string&& data);
    WriteOperation start_write(std::string_view data);
    void start_wait_written(std::uint64_t end, error_code const& failure, detail::VoidCompletion&&);
    void start_write_some(asio::const_buffer const* buffers, std::size_t count,
                          detail::SizeCompletion&&);

    using Source = std::shared_ptr<detail::SourceFile const>;
    static Source open_source(int descriptor, std::uint64_t offset, std::uint64_t count);
    void start_send_file(Source file, detail::FileCompletion&&);

    std::shared_ptr<detail::StreamCore> core_;
};

} // namespace tornado

#include "tornado/detail/base_iostream.hpp"
