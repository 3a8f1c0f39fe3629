// The one source that includes cpprestsdk: its headers take ten seconds to compile, and none of its types, exceptions
// or threads may be seen outside. What it does in each situation was read in its sources (2.10.18) and is pinned by the
// conformance tests of this folder.
#include "http/cpprest_transport.h"

#include <cpprest/astreambuf.h>
#include <cpprest/http_client.h>
#include <cpprest/rawptrstream.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pplx/threadpool.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/guarded.h"
#include "base/text.h"
#include "http/url.h"

namespace certbinder::http {
namespace {

using base::Reason;
using base::SteadyTime;
using std::chrono::milliseconds;

/// How long a cancelled request may take to end before its caller stops waiting for it; it then ends by itself.
constexpr milliseconds kGrace{30};

/// Far above any silence that makes sense; keeps time arithmetic from overflowing.
constexpr milliseconds kLongestSilence = std::chrono::hours(24);

SteadyTime steadyNow() {
    return std::chrono::steady_clock::now();
}

/// An end of an exchange without an answer, in our words: the library's may quote what the server sent.
struct Trouble {
    Failure failure;
    std::string text;
};

// ---------------------------------------------------------------------------------------------------------------------
// Trust

struct StoreFree {
    void operator()(X509_STORE* store) const { X509_STORE_free(store); }
};
using Store = std::unique_ptr<X509_STORE, StoreFree>;

/// The bundle of the distribution: where OpenSSL was built to look, else where Debian's and Red Hat's packages put it.
std::string systemBundle() {
    for (const char* file :
         {X509_get_default_cert_file(), "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}) {
        if (::access(file, R_OK) == 0) {
            return file;
        }
    }
    return {};
}

bool addPem(X509_STORE* store, const std::string& pem) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                        &BIO_free);
    std::size_t added = 0;
    while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
        X509_STORE_add_cert(store, certificate);
        X509_free(certificate);
        ++added;
    }
    ERR_clear_error();
    return added > 0;
}

/// Everything trusted, read once: the library's own way parses the whole bundle for each connection.
base::Expected<Store> loadTrust(const TransportSettings& settings) {
    Store store(X509_STORE_new());
    if (settings.onlyCaPem) {
        if (!addPem(store.get(), *settings.onlyCaPem)) {
            return base::unexpected(Reason::kInvalidSpec, "the CA bundle holds no PEM certificate");
        }
        return store;
    }
    const std::string bundle = systemBundle();
    if (!bundle.empty()) {
        X509_STORE_load_file(store.get(), bundle.c_str());
    }
    const char* folder = std::getenv(X509_get_default_cert_dir_env());
    X509_STORE_load_path(store.get(), folder != nullptr ? folder : X509_get_default_cert_dir());
    if (settings.extraCaFile && X509_STORE_load_file(store.get(), settings.extraCaFile->c_str()) != 1) {
        ERR_clear_error();
        return base::unexpected(Reason::kInvalidSpec, "no CA certificate could be read from " + *settings.extraCaFile +
                                                          " (SSL_CERT_FILE): name a readable PEM file or unset it");
    }
    if (!settings.extraCaPem.empty() && !addPem(store.get(), settings.extraCaPem)) {
        return base::unexpected(Reason::kInvalidSpec, "the additional CA bundle holds no PEM certificate");
    }
    ERR_clear_error();
    return store;
}

// ---------------------------------------------------------------------------------------------------------------------
// One connection's TLS, as far as the library does not see to it

/// What a caller waits for, and what the TLS layer notes on the way. A lease serves one exchange at a time, so that all
/// of it is about that exchange.
struct Wire {
    std::mutex mutex;
    std::condition_variable_any changed;
    bool overflow = false;    ///< more bytes came than may be buffered
    std::string verifyError;  ///< why the server's certificate was refused

    std::atomic<std::size_t> buffered{0};  ///< TLS bytes since something was last handed on
    std::atomic<std::size_t> mostBuffered{0};
    std::atomic<SteadyTime::rep> lastByte{0};

    void begin(std::size_t most) {
        const std::scoped_lock lock(mutex);
        overflow = false;
        verifyError.clear();
        buffered = 0;
        mostBuffered = most;
        lastByte = 0;
    }

    void received(std::size_t bytes) {
        lastByte = steadyNow().time_since_epoch().count();
        if ((buffered += bytes) > mostBuffered) {
            const std::scoped_lock lock(mutex);
            overflow = true;
            changed.notify_all();
        }
    }
};

/// OpenSSL's message callback: sees the header of each record. The library believes any chunk size and header length
/// and buffers until it has all of it, so this is where a bound can be put.
void onRecord(int sent, int, int type, const void* bytes, std::size_t size, SSL*, void* wire) {
    if (sent == 0 && type == SSL3_RT_HEADER && size >= 5) {
        const auto* header = static_cast<const unsigned char*>(bytes);
        static_cast<Wire*>(wire)->received(static_cast<std::size_t>(header[3]) << 8U | header[4]);
    }
}

/// Verifies in place of the library, whose own name check (RFC 2818) falls back to the common name.
int onVerify(X509_STORE_CTX* context, void* wire) {
    X509_STORE_CTX_set_verify_cb(context, [](int ok, X509_STORE_CTX*) { return ok; });
    const int verified = X509_verify_cert(context);
    if (verified != 1) {
        auto* noted = static_cast<Wire*>(wire);
        const std::scoped_lock lock(noted->mutex);
        noted->verifyError = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
    }
    return verified;
}

/// Called as a handshake starts, before the first message is made: asks for the name that will be verified. The
/// library can ask for the URL's host only.
void onHandshake(const SSL* ssl, int where, int) {
    if ((where & SSL_CB_HANDSHAKE_START) != 0) {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): the signature is OpenSSL's
        auto* own = const_cast<SSL*>(ssl);
        if (char* name = X509_VERIFY_PARAM_get0_host(SSL_get0_param(own), 0)) {
            SSL_ctrl(own, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name);
        }
    }
}

/// What each connection of a transport is made with.
struct TlsSetup {
    std::shared_ptr<X509_STORE> trust;
    std::shared_ptr<const ClientCertificate> certificate;
    std::string serverName;  ///< "" for the URL's host
};

bool isAddress(const std::string& host) {
    Url url;
    url.host = host;
    return url.isIpAddress();
}

void useCertificate(SSL_CTX* context, const ClientCertificate& certificate) {
    bool used = SSL_CTX_use_certificate(context, certificate.leaf()) == 1 &&
                SSL_CTX_use_PrivateKey(context, certificate.key()) == 1;
    for (const std::shared_ptr<X509>& issuer : certificate.chain()) {
        used = used && SSL_CTX_add1_chain_cert(context, issuer.get()) == 1;
    }
    if (!used) {
        ERR_clear_error();
        throw std::runtime_error("client certificate");  // ends the request
    }
}

void configureTls(SSL_CTX* context, const TlsSetup& setup, const Url& url, Wire* wire) {
    X509_STORE_up_ref(setup.trust.get());
    SSL_CTX_set_cert_store(context, setup.trust.get());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    X509_VERIFY_PARAM* parameters = SSL_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_hostflags(parameters,
                                    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const std::string& name = setup.serverName.empty() ? url.host : setup.serverName;
    const int named = isAddress(name) ? X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str())
                                      : X509_VERIFY_PARAM_set1_host(parameters, name.data(), name.size());
    if (named != 1) {
        throw std::runtime_error("no name to verify");  // ends the request; without a name any certificate would do
    }
    if (setup.certificate) {
        useCertificate(context, *setup.certificate);
    }
    SSL_CTX_set_info_callback(context, onHandshake);
    SSL_CTX_set_cert_verify_callback(context, onVerify, wire);
    SSL_CTX_set_msg_callback(context, onRecord);
    SSL_CTX_set_msg_callback_arg(context, wire);
}

// ---------------------------------------------------------------------------------------------------------------------
// What became of a request

namespace rest = web::http;

Trouble tlsTrouble(long code, const std::string& verifyError) {
    if (!verifyError.empty()) {
        return {Failure::kTls, "the server's certificate is not accepted: " + verifyError};
    }
    if (code == ECONNRESET) {
        return {Failure::kReset, "the connection was reset during the TLS handshake"};
    }
    const char* reason = ERR_reason_error_string(static_cast<unsigned long>(code));
    return {Failure::kTls,
            std::string("the TLS handshake failed: ") +
                (reason != nullptr ? reason : "the server ended it; does the port speak TLS 1.2 or 1.3?")};
}

Trouble brokenTrouble(long code, bool headSeen) {
    switch (code) {
        case ETIMEDOUT:
            return {Failure::kTimeout, "no byte came for too long"};
        case ECANCELED:
            return {Failure::kCancelled, "cancelled"};
        case ECONNRESET:
        case EPIPE:
        case EHOSTUNREACH:  // how the library reports a broken pipe
            return {Failure::kReset, "the connection was reset"};
        case ECONNABORTED:
        case 1:  // TLS without close_notify
        case 2:  // end of file
            return {Failure::kTruncated, headSeen ? "the connection ended before the answer did"
                                                  : "the connection was closed without an answer"};
        default:
            return {Failure::kProtocol, "the answer is not valid HTTP"};
    }
}

Trouble connectTrouble(long code) {
    switch (code) {
        case ETIMEDOUT:
            return {Failure::kTimeout, "connecting took too long"};
        case ECANCELED:
            return {Failure::kCancelled, "cancelled"};
        case EHOSTUNREACH:  // how the library reports a refused connection
            return {Failure::kRefused, "connection refused, or no route to the host"};
        default:
            return {Failure::kRefused, "cannot connect: " + std::generic_category().message(static_cast<int>(code))};
    }
}

/// The library quotes the status a proxy refused a tunnel with; the number alone is taken over.
Trouble proxyTrouble(std::string_view text, long code) {
    if (code == ETIMEDOUT) {
        return {Failure::kTimeout, "the proxy did not answer in time"};
    }
    const std::size_t status = text.rfind("received: ");
    if (status != std::string_view::npos) {
        return {Failure::kRefused, "the proxy refuses to connect to this host (it answered " +
                                       base::printable(text.substr(status + 10), 3) + ")"};
    }
    return {Failure::kRefused, "the proxy cannot be reached, or is no HTTP proxy"};
}

/// The library's error codes mix several categories, and only its messages tell at which stage it was.
Trouble troubleOf(const std::exception_ptr& thrown, const std::string& verifyError, bool headSeen) {
    try {
        std::rethrow_exception(thrown);
    } catch (const rest::http_exception& error) {
        const std::string_view text = error.what();
        const long code = error.error_code().value();
        const auto says = [&](std::string_view words) { return text.find(words) != std::string_view::npos; };
        if (says("resolving address") || says("resolve address")) {
            return {Failure::kResolve, "the host's name does not resolve"};
        }
        if (says("proxy")) {
            return proxyTrouble(text, code);
        }
        if (says("connect to any resolved")) {
            return connectTrouble(code);
        }
        if (says("SSL handshake") && code != ETIMEDOUT && code != ECANCELED) {
            return tlsTrouble(code, verifyError);
        }
        if (says("Invalid")) {
            return {Failure::kProtocol, "the answer is not valid HTTP"};
        }
        return brokenTrouble(code, headSeen);
    } catch (const pplx::task_canceled&) {
        return {Failure::kCancelled, "cancelled"};
    } catch (const std::exception&) {
        return {Failure::kProtocol, "the exchange failed inside the HTTP library"};
    }
}

/// One request on its way: shared by its caller, who waits, and by the library's threads, which go on for a moment
/// after a caller that has stopped waiting. Everything is protected by the wire's mutex.
class Exchange {
  public:
    Exchange(std::shared_ptr<Wire> wire, base::SecretBytes body) : body_(std::move(body)), wire_(std::move(wire)) {}

    const base::SecretBytes& body() const { return body_; }
    Wire& wire() { return *wire_; }

    // By the library's threads.

    void headCame(const rest::http_response& response) {
        Response head;
        head.status = response.status_code();
        for (const auto& [name, value] : response.headers()) {
            head.headers.emplace_back(name, value);
        }
        const std::scoped_lock lock(wire_->mutex);
        head_ = std::move(head);
        wire_->changed.notify_all();
    }

    /// Hands a piece to the caller; the task ends when the caller is done with it, and only then more is read.
    pplx::task<std::size_t> pieceCame(const std::uint8_t* bytes, std::size_t size) {
        const std::scoped_lock lock(wire_->mutex);
        if (closed_) {
            return pplx::task_from_exception<std::size_t>(std::runtime_error("nobody reads on"));
        }
        piece_ = std::string_view(reinterpret_cast<const char*>(bytes), size);
        pieceDone_ = pplx::task_completion_event<std::size_t>();
        wire_->changed.notify_all();
        return pplx::task<std::size_t>(pieceDone_);
    }

    void ended(const std::exception_ptr& thrown) {
        const std::scoped_lock lock(wire_->mutex);
        if (thrown) {
            trouble_ = troubleOf(thrown, wire_->verifyError, head_.has_value() || headTaken_);
        }
        ended_ = true;
        wire_->changed.notify_all();
    }

    // By the caller.

    enum class Event { kHead, kPiece, kEnd, kSilence, kDeadline, kStop, kOverflow };

    /// Waits for what comes next. What came already is told before a deadline or a stop.
    Event next(milliseconds silence, const base::CallContext& context) {
        std::unique_lock lock(wire_->mutex);
        const SteadyTime since = steadyNow();
        for (;;) {
            const SteadyTime lastByte = SteadyTime(SteadyTime::duration(wire_->lastByte.load()));
            const SteadyTime quietUntil = std::max(since, lastByte) + silence;
            const bool happened = wire_->changed.wait_until(lock, context.stop, std::min(context.deadline, quietUntil),
                                                            [&] { return happenedNow().has_value(); });
            if (happened) {
                return *happenedNow();
            }
            if (context.stop.stop_requested()) {
                return Event::kStop;
            }
            if (steadyNow() >= context.deadline) {
                return Event::kDeadline;
            }
            if (SteadyTime(SteadyTime::duration(wire_->lastByte.load())) <= lastByte) {
                return Event::kSilence;
            }
        }
    }

    Response takeHead() {
        const std::scoped_lock lock(wire_->mutex);
        headTaken_ = true;
        Response head = std::move(*head_);
        head_.reset();
        return head;
    }

    /// The bytes stay valid until pieceUsed(), also while the connection is being closed.
    std::string_view piece() {
        const std::scoped_lock lock(wire_->mutex);
        return *piece_;
    }

    void pieceUsed() {
        pplx::task_completion_event<std::size_t> done;
        std::size_t size = 0;
        {
            const std::scoped_lock lock(wire_->mutex);
            size = piece_->size();
            piece_.reset();
            done = pieceDone_;
            wire_->buffered = 0;
        }
        done.set(size);
    }

    /// Takes no further pieces, and lets go of one that waits.
    void close() {
        bool waiting = false;
        {
            const std::scoped_lock lock(wire_->mutex);
            closed_ = true;
            waiting = piece_.has_value();
            piece_.reset();
        }
        if (waiting) {
            pieceDone_.set_exception(std::runtime_error("nobody reads on"));
        }
        source_.cancel();
    }

    bool waitForEnd(milliseconds limit) {
        std::unique_lock lock(wire_->mutex);
        return wire_->changed.wait_for(lock, limit, [&] { return ended_; });
    }

    std::optional<Trouble> trouble() {
        const std::scoped_lock lock(wire_->mutex);
        return trouble_;
    }

    pplx::cancellation_token token() const { return source_.get_token(); }

  private:
    std::optional<Event> happenedNow() const {
        if (head_) {
            return Event::kHead;
        }
        if (wire_->overflow) {
            return Event::kOverflow;
        }
        if (piece_ && headTaken_) {
            return Event::kPiece;
        }
        return ended_ ? std::optional(Event::kEnd) : std::nullopt;
    }

    const base::SecretBytes body_;
    const std::shared_ptr<Wire> wire_;
    pplx::cancellation_token_source source_;

    std::optional<Response> head_;
    bool headTaken_ = false;
    std::optional<std::string_view> piece_;
    pplx::task_completion_event<std::size_t> pieceDone_;
    std::optional<Trouble> trouble_;
    bool ended_ = false;
    bool closed_ = false;
};

/// The library's idea of a place to write a body to, reduced to handing it on. Its usual buffer holds bytes back until
/// there are many, loses them when the connection breaks, and grows without limit.
class Sink final : public concurrency::streams::details::streambuf_state_manager<std::uint8_t> {
  public:
    explicit Sink(std::shared_ptr<Exchange> exchange)
        : streambuf_state_manager(std::ios_base::out), exchange_(std::move(exchange)) {}

    bool can_seek() const override { return false; }
    bool has_size() const override { return false; }
    std::size_t buffer_size(std::ios_base::openmode) const override { return 0; }
    void set_buffer_size(std::size_t, std::ios_base::openmode) override {}
    std::size_t in_avail() const override { return 0; }
    pos_type getpos(std::ios_base::openmode) const override { return pos_type(traits::eof()); }
    pos_type seekpos(pos_type, std::ios_base::openmode) override { return pos_type(traits::eof()); }
    pos_type seekoff(off_type, std::ios_base::seekdir, std::ios_base::openmode) override {
        return pos_type(traits::eof());
    }
    bool acquire(std::uint8_t*& bytes, std::size_t& size) override {
        bytes = nullptr;
        size = 0;
        return false;
    }
    void release(std::uint8_t*, std::size_t) override {}

  protected:
    pplx::task<std::size_t> _putn(const std::uint8_t* bytes, std::size_t size) override {
        return exchange_->pieceCame(bytes, size);
    }
    pplx::task<int_type> _putc(std::uint8_t) override { return pplx::task_from_result<int_type>(traits::eof()); }
    pplx::task<int_type> _bumpc() override { return pplx::task_from_result<int_type>(traits::eof()); }
    int_type _sbumpc() override { return traits::eof(); }
    pplx::task<int_type> _getc() override { return pplx::task_from_result<int_type>(traits::eof()); }
    int_type _sgetc() override { return traits::eof(); }
    pplx::task<int_type> _nextc() override { return pplx::task_from_result<int_type>(traits::eof()); }
    pplx::task<int_type> _ungetc() override { return pplx::task_from_result<int_type>(traits::eof()); }
    pplx::task<std::size_t> _getn(std::uint8_t*, std::size_t) override {
        return pplx::task_from_result<std::size_t>(0);
    }
    std::size_t _scopy(std::uint8_t*, std::size_t) override { return 0; }
    pplx::task<bool> _sync() override { return pplx::task_from_result(true); }
    std::uint8_t* _alloc(std::size_t) override { return nullptr; }
    void _commit(std::size_t) override {}

  private:
    std::shared_ptr<Exchange> exchange_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Connections

/// A client of the library with what it notes. It serves one exchange at a time and so holds one connection.
struct Lease {
    std::shared_ptr<Wire> wire;
    std::shared_ptr<rest::client::http_client> client;
    SteadyTime since{};  ///< unused since then
};

std::string originOf(const Url& url) {
    return url.scheme + "://" + url.host + ":" + std::to_string(url.port);
}

web::web_proxy libraryProxy(const Proxy& proxy) {
    web::web_proxy made{web::uri(proxy.shown())};
    if (!proxy.user.empty()) {
        made.set_credentials(web::credentials(proxy.user, std::string(proxy.password.reveal())));
    }
    return made;
}

Lease newLease(const Url& url, const TlsSetup& setup, const Proxy* proxy, milliseconds silence) {
    Lease lease;
    lease.wire = std::make_shared<Wire>();
    rest::client::http_client_config config;
    config.set_max_redirects(0);  // followed, they would carry Authorization to another host
    config.set_request_compressed_response(false);
    // The caller's own waiting is what ends an exchange in time; this clears up what no caller waits for any more.
    config.set_timeout(std::chrono::duration_cast<std::chrono::microseconds>(silence + std::chrono::seconds(5)));
    config.set_tlsext_sni_enabled(false);  // see onHandshake
    if (proxy != nullptr) {
        config.set_proxy(libraryProxy(*proxy));
    }
    // The client holds the callback, and the connection's handlers hold the client: the wire outlives its use.
    config.set_ssl_context_callback([setup, url, wire = lease.wire](boost::asio::ssl::context& context) {
        configureTls(context.native_handle(), setup, url, wire.get());
    });
    // Without brackets, also where it is IPv6: the library hands the host to getaddrinfo as it stands.
    lease.client = std::make_shared<rest::client::http_client>(web::uri(originOf(url)), config);
    return lease;
}

bool isToken(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

bool isHeaderValue(std::string_view text) {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

bool isHostHeader(const std::string& name) {
    return base::toLower(name) == "host";
}

std::optional<base::Error> checkRequest(const Request& request, const Url& url) {
    const auto bad = [](std::string what) { return base::Error(Reason::kInvalidSpec, std::move(what)); };
    if (!isToken(request.method)) {
        return bad("the method is not a valid HTTP method");
    }
    for (const auto& [name, value] : request.headers) {
        if (!isToken(name)) {
            return bad("a header's name is not valid");
        }
        if (!isHeaderValue(value)) {
            return bad("the value of the header " + name + " holds a control character");
        }
        if (isHostHeader(name) && base::toLower(value) != url.authority()) {
            return bad("the Host header differs from the URL's host");
        }
    }
    return std::nullopt;
}

/// The request as the library wants it. Fails where the library would change the path or query on the way, since then
/// a signature made over them would not hold.
base::Expected<rest::http_request> buildRequest(const Request& request, const Url& url,
                                                const TransportSettings& settings,
                                                const std::shared_ptr<Exchange>& exchange) {
    rest::http_request built(request.method);
    try {
        built.set_request_uri(web::uri(url.target));
        const std::string sent =
            web::uri_builder(web::uri(originOf(url))).append(built.relative_uri()).to_uri().resource().to_string();
        if (sent != url.target) {
            return base::unexpected(Reason::kInvalidSpec, "the URL's path is not in a form that can be sent unchanged");
        }
    } catch (const std::exception&) {
        return base::unexpected(Reason::kInvalidSpec, "the URL's path or query is not valid");
    }
    if (!exchange->body().empty()) {
        const std::string_view bytes = exchange->body().reveal();
        built.set_body(concurrency::streams::rawptr_stream<std::uint8_t>::open_istream(
                           reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()),
                       bytes.size(), "application/octet-stream");
        built.headers().remove("Content-Type");  // the caller's or none
    }
    for (const auto& [name, value] : request.headers) {
        if (!isHostHeader(name)) {
            built.headers().add(name, value);
        }
    }
    // Given explicitly because the library writes IPv6 without brackets.
    built.headers().add("Host", url.authority());
    if (!built.headers().has("User-Agent")) {
        built.headers().add("User-Agent", settings.userAgent);
    }
    const auto sink = std::make_shared<Sink>(exchange);
    built.set_response_stream(concurrency::streams::streambuf<std::uint8_t>(sink).create_ostream());
    return built;
}

/// Starts the request on the library's threads, so that nothing it does there holds up the caller, whose thread keeps
/// the time. The last continuation takes any exception: one that nobody looks at would end the process.
void start(const std::shared_ptr<Exchange>& exchange, const std::shared_ptr<rest::client::http_client>& client,
           const rest::http_request& request) {
    pplx::create_task([exchange, client, request] { return client->request(request, exchange->token()); })
        .then([exchange](const pplx::task<rest::http_response>& head) {
            const rest::http_response response = head.get();
            exchange->headCame(response);
            return response.content_ready();
        })
        .then([exchange](const pplx::task<rest::http_response>& whole) {
            try {
                whole.get();
                exchange->ended(nullptr);
            } catch (...) {
                exchange->ended(std::current_exception());
            }
        });
}

// ---------------------------------------------------------------------------------------------------------------------

using OnHead = std::function<bool(const Response&)>;
using OnPiece = std::function<bool(std::string_view)>;

struct Outcome {
    std::optional<Trouble> trouble;
    bool headSeen = false;
    bool mayKeep = false;  ///< whether the connection is fit for another request
};

/// Ends an exchange that its caller leaves early, by a return or by an exception of a callback.
class Closer {
  public:
    explicit Closer(Exchange& exchange) : exchange_(exchange) {}
    Closer(const Closer&) = delete;
    Closer& operator=(const Closer&) = delete;
    ~Closer() {
        if (!exchange_.waitForEnd(milliseconds(0))) {
            exchange_.close();
            exchange_.waitForEnd(kGrace);
        }
    }

  private:
    Exchange& exchange_;
};

std::optional<Trouble> troubleOf(Exchange::Event event) {
    switch (event) {
        case Exchange::Event::kSilence:
            return Trouble{Failure::kTimeout, "no byte came for too long"};
        case Exchange::Event::kDeadline:
            return Trouble{Failure::kTimeout, "no complete answer before the deadline"};
        case Exchange::Event::kStop:
            return Trouble{Failure::kCancelled, "cancelled"};
        case Exchange::Event::kOverflow:
            return Trouble{Failure::kTooLarge, "the server announced or sent more than is allowed"};
        default:
            return std::nullopt;
    }
}

/// What may be buffered on the way to the caller: a chunk as large as the whole answer may be, and the framing.
std::size_t mostBuffered(const Request& request, const TransportSettings& settings) {
    const std::size_t sum = request.mostBytes + settings.mostHeaderBytes;
    return sum < request.mostBytes ? request.mostBytes : sum;
}

/// The caller's side of a started exchange: takes what comes until the end, or until it wants no more.
Outcome follow(Exchange& exchange, const Request& request, const OnHead& onHead, const OnPiece& onPiece,
               milliseconds silence, const TransportSettings& settings, const base::CallContext& context) {
    Outcome outcome;
    const Closer closer(exchange);
    for (;;) {
        const Exchange::Event event = exchange.next(silence, context);
        if (event == Exchange::Event::kHead) {
            const Response head = exchange.takeHead();
            if (head.status < 200) {
                // The library takes an interim answer for the final one and would leave the latter in the connection.
                outcome.trouble = Trouble{Failure::kProtocol, "the server sent an interim answer nobody asked for"};
                return outcome;
            }
            outcome.headSeen = true;
            outcome.mayKeep = head.header("Trailer").empty();  // the library leaves trailers in the connection
            exchange.wire().mostBuffered = mostBuffered(request, settings);
            if (!onHead(head)) {
                outcome.mayKeep = false;
                return outcome;
            }
        } else if (event == Exchange::Event::kPiece) {
            if (!onPiece(exchange.piece())) {
                outcome.mayKeep = false;
                return outcome;
            }
            exchange.pieceUsed();
        } else {
            outcome.trouble = event == Exchange::Event::kEnd ? exchange.trouble() : troubleOf(event);
            return outcome;
        }
    }
}

class CpprestTransport final : public Transport {
  public:
    CpprestTransport(TransportSettings settings, Store trust)
        : settings_(std::move(settings)),
          tls_{{trust.release(), X509_STORE_free}, settings_.clientCertificate, settings_.tlsServerName} {}

    base::Expected<Response> send(const Request& request, const base::CallContext& context) override {
        Response whole;
        bool tooLarge = false;
        const auto onHead = [&](const Response& head) {
            whole.status = head.status;
            whole.headers = head.headers;
            return true;
        };
        const auto onPiece = [&](std::string_view piece) {
            tooLarge = piece.size() > request.mostBytes - whole.body.size();
            if (!tooLarge) {
                whole.body.append(piece);
            }
            return !tooLarge;
        };
        const bool repeatable = request.repeatable || request.method == "GET" || request.method == "HEAD";
        base::Expected<void> done = exchange(request, onHead, onPiece, settings_.silence, repeatable, context);
        if (!done) {
            return base::unexpected(std::move(done.error()));
        }
        if (tooLarge) {
            return base::unexpected(asError(
                request, {Failure::kTooLarge,
                          "the answer is larger than the " + std::to_string(request.mostBytes) + " bytes allowed"}));
        }
        return whole;
    }

    base::Expected<void> stream(const Request& request, const OnHead& onHead, const OnPiece& onPiece,
                                milliseconds silence, const base::CallContext& context) override {
        return exchange(request, onHead, onPiece, std::min(silence, kLongestSilence), false, context);
    }

  private:
    static base::Error asError(const Request& request, const Trouble& trouble) {
        const base::Expected<Url> url = parseUrl(request.url);
        return base::Error(Reason::kUnreachable, trouble.text)
            .withCode(std::string(toString(trouble.failure)))
            .in(request.method + " " + (url ? url->shown() : std::string("request")));
    }

    base::Expected<void> exchange(const Request& request, const OnHead& onHead, const OnPiece& onPiece,
                                  milliseconds silence, bool onKept, const base::CallContext& context) {
        const base::Expected<Url> url = parseUrl(request.url);
        if (!url) {
            return base::unexpected(url.error());
        }
        if (const std::optional<base::Error> wrong = checkRequest(request, *url)) {
            return base::unexpected(base::Error(*wrong).in(url->shown()));
        }
        if (context.over()) {
            const bool stopped = context.stop.stop_requested();
            return base::unexpected(
                asError(request, *troubleOf(stopped ? Exchange::Event::kStop : Exchange::Event::kDeadline)));
        }
        const Proxy* proxy = settings_.proxy.proxyOf(*url);
        if (proxy != nullptr && url->host.find(':') != std::string::npos) {
            return base::unexpected(
                base::Error(Reason::kInvalidSpec,
                            "an IPv6 address cannot be reached through a proxy; use a host name, or "
                            "except the address by NO_PROXY")
                    .in(url->shown()));
        }
        for (;;) {
            Lease lease = onKept ? takeKept(originOf(*url)) : Lease();
            const bool fresh = !lease.client;
            if (fresh) {
                lease = newLease(*url, tls_, proxy, silence);
            }
            const auto state = std::make_shared<Exchange>(lease.wire, request.body.clone());
            const base::Expected<rest::http_request> built = buildRequest(request, *url, settings_, state);
            if (!built) {
                return base::unexpected(base::Error(built.error()).in(request.method + " " + url->shown()));
            }
            lease.wire->begin(settings_.mostHeaderBytes);
            start(state, lease.client, *built);
            const Outcome outcome = follow(*state, request, onHead, onPiece, silence, settings_, context);
            if (!outcome.trouble) {
                if (onKept && outcome.mayKeep) {
                    keep(originOf(*url), std::move(lease));
                }
                return {};
            }
            const bool stale =
                outcome.trouble->failure == Failure::kReset || outcome.trouble->failure == Failure::kTruncated;
            if (fresh || outcome.headSeen || !stale) {
                return base::unexpected(asError(request, *outcome.trouble));
            }
            // The server had given up the kept connection: another will do, in the end a new one.
        }
    }

    Lease takeKept(const std::string& origin) {
        auto kept = kept_.lock();
        std::vector<Lease>& leases = (*kept)[origin];
        const SteadyTime oldest = steadyNow() - settings_.keepAlive;
        leases.erase(
            std::remove_if(leases.begin(), leases.end(), [&](const Lease& lease) { return lease.since < oldest; }),
            leases.end());
        if (leases.empty()) {
            return {};
        }
        Lease lease = std::move(leases.back());
        leases.pop_back();
        return lease;
    }

    void keep(const std::string& origin, Lease lease) {
        lease.since = steadyNow();
        auto kept = kept_.lock();
        std::vector<Lease>& leases = (*kept)[origin];
        if (leases.size() < settings_.keptPerHost) {
            leases.push_back(std::move(lease));
        }
    }

    const TransportSettings settings_;
    const TlsSetup tls_;
    base::Guarded<std::map<std::string, std::vector<Lease>>> kept_;
};

/// What SSL_CERT_FILE held when this was first called.
const std::string& givenCaFile() {
    static const std::string file = [] {
        const char* value = std::getenv(X509_get_default_cert_file_env());
        return std::string(value == nullptr ? "" : value);
    }();
    return file;
}

void startPool(std::size_t threads) {
    static std::once_flag once;
    std::call_once(once, [threads] {
        try {
            crossplat::threadpool::initialize_with_threads(threads);
        } catch (const std::exception&) {
            // Somebody used the library before: its own number of threads does as well.
        }
    });
}

}  // namespace

void prepareProcess() {
    givenCaFile();
    ::setenv(X509_get_default_cert_file_env(), "/dev/null", 1);
}

TransportSettings settingsFromEnvironment() {
    TransportSettings settings;
    if (!givenCaFile().empty()) {
        settings.extraCaFile = givenCaFile();
    }
    return settings;
}

base::Expected<std::unique_ptr<Transport>> makeCpprestTransport(TransportSettings settings) {
    startPool(settings.poolThreads);
    settings.silence = std::min(settings.silence, kLongestSilence);
    base::Expected<Store> trust = loadTrust(settings);
    if (!trust) {
        return base::unexpected(std::move(trust.error()));
    }
    return std::unique_ptr<Transport>(std::make_unique<CpprestTransport>(std::move(settings), std::move(*trust)));
}

}  // namespace certbinder::http
