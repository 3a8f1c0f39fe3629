# Provides the target certbinder_libssh2: libssh2 of at least 1.11.1, with its headers and what it links to.
#
# Releases before 1.11 sign RSA keys with SHA-1 alone, which today's servers refuse. Those before 1.11.1 lack
# strict key exchange (CVE-2023-48795), and have no posix-rename, on which the atomic switch of a certificate
# rests; the distributions that package them have mended the former alone. So the system's is taken where it
# is new enough, else the one that scripts/deps has built into CERTBINDER_DEPS (cache variable, environment
# variable, or ~/.cache/certbinder/deps).

include_guard(GLOBAL)

set(_libssh2_minimum 1.11.1)

if(NOT DEFINED CERTBINDER_DEPS)
  if(DEFINED ENV{CERTBINDER_DEPS})
    set(_libssh2_deps "$ENV{CERTBINDER_DEPS}")
  else()
    set(_libssh2_deps "$ENV{HOME}/.cache/certbinder/deps")
  endif()
  set(CERTBINDER_DEPS "${_libssh2_deps}" CACHE PATH "Folder of the libraries built by scripts/deps")
endif()

# The system's: distributions ship libssh2.pc, and not all of them a CMake package.
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(CERTBINDER_SYSTEM_LIBSSH2 QUIET IMPORTED_TARGET libssh2>=${_libssh2_minimum})
endif()

add_library(certbinder_libssh2 INTERFACE)
if(CERTBINDER_SYSTEM_LIBSSH2_FOUND)
  target_link_libraries(certbinder_libssh2 INTERFACE PkgConfig::CERTBINDER_SYSTEM_LIBSSH2)
  message(STATUS "libssh2 ${CERTBINDER_SYSTEM_LIBSSH2_VERSION} (system)")
else()
  file(GLOB _libssh2_prefixes LIST_DIRECTORIES true "${CERTBINDER_DEPS}/libssh2-*")
  # A result of an earlier run is not trusted: the folder may have been removed or renewed since.
  unset(libssh2_DIR CACHE)
  find_package(libssh2 ${_libssh2_minimum} CONFIG QUIET NO_DEFAULT_PATH PATHS ${_libssh2_prefixes})
  if(NOT libssh2_FOUND)
    message(FATAL_ERROR
      "libssh2 of at least ${_libssh2_minimum} was found neither on the system nor in ${CERTBINDER_DEPS}. "
      "Run scripts/deps, which installs or builds it, or set CERTBINDER_DEPS to the folder it was given.")
  endif()
  target_link_libraries(certbinder_libssh2 INTERFACE libssh2::libssh2_static)
  message(STATUS "libssh2 ${libssh2_VERSION} (${libssh2_DIR})")
endif()
