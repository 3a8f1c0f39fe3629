#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/expected.h"
#include "http/proxy.h"
#include "http/tls_identity.h"
#include "http/transport.h"

namespace certbinder::http {

struct TransportSettings {
    std::string userAgent = "certbinder";  ///< `certbinder/<version>`
    std::size_t poolThreads = 4;           ///< of the process; the first transport made decides

    /// Trusted besides the system's bundle: a file, as SSL_CERT_FILE names one. It adds; it does not replace.
    std::optional<std::string> extraCaFile;
    std::string extraCaPem;  ///< trusted besides, as PEM
    /// Trusted instead of all the others: the system's bundle is not even read.
    std::optional<std::string> onlyCaPem;

    std::shared_ptr<const ClientCertificate> clientCertificate;  ///< null: none is shown
    /// The name to ask for (SNI) and to find in the certificate, where it is not the URL's host; "" for that.
    std::string tlsServerName;
    ProxyChoice proxy;  ///< none by default

    std::chrono::milliseconds silence{30'000};    ///< send() gives up after that long without a byte
    std::chrono::milliseconds keepAlive{15'000};  ///< an unused connection is not used again after that
    std::size_t keptPerHost = 4;                  ///< unused connections, at most
    std::size_t mostHeaderBytes = 256 << 10;      ///< of an answer, on https
};

/// Makes each new TLS connection of the process cheaper by some 50 ms of CPU: OpenSSL's default CA file, which the HTTP
/// library has parsed for every connection and which the transport replaces by a store read once, becomes an empty one
/// by way of SSL_CERT_FILE. settingsFromEnvironment() still gives what the variable held. Changes the environment: to
/// be called first thing in main(), before there are threads. A transport works without it.
void prepareProcess();

/// The defaults with extraCaFile from the environment's SSL_CERT_FILE.
TransportSettings settingsFromEnvironment();

/// A Transport on cpprestsdk, HTTP/1.1. Fails with kInvalidSpec where a CA cannot be read.
///
/// A call ends within 50 ms of its deadline or stop, whatever the server or the resolver does. GET and HEAD use kept
/// connections and are sent again on a new one where a kept one proves stale; all other methods go out on a new
/// connection, once, unless the request is `repeatable`. The callbacks of stream() run on the caller's thread, and the
/// server is read no faster than they return. Answers are not decompressed. A proxy is used only where the settings
/// name one, never by what the environment says.
base::Expected<std::unique_ptr<Transport>> makeCpprestTransport(TransportSettings settings);

}  // namespace certbinder::http
