#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "recorder/sha256.h"

namespace parley::upload {

// Whose requests they are.
struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token;  // of those that are lent for a while
};

// Where objects are kept: a bucket of an S3-compatible store.
struct Place {
  std::string scheme;  // http or https
  std::string host;    // with its port unless it is the scheme's own
  std::string base;    // of each path, encoded: "", "/bucket"
  std::string region;

  // `endpoint` as http://127.0.0.1:9000 or https://s3.eu-central-1.amazonaws.com. `virtual_host`:
  // the bucket is named in the host instead of the path. The error says what is wrong with it.
  [[nodiscard]] static tl::expected<Place, std::string> of(std::string_view endpoint,
                                                           std::string_view bucket,
                                                           std::string_view region,
                                                           bool virtual_host);
  // Of an object's key, or of the bucket for an empty one; encoded.
  [[nodiscard]] std::string path(std::string_view key) const;
  [[nodiscard]] std::string url(std::string_view key) const {
    return scheme + "://" + host + path(key);
  }
};

using recorder::from_hex;
using recorder::hex;
using recorder::sha256;
using recorder::Sha256;
[[nodiscard]] std::string lower_case(std::string_view text);  // of ASCII
[[nodiscard]] std::string base64(rtp::ConstBytes bytes);      // RFC 4648, section 4
// All but the unreserved characters of RFC 3986, section 2.3, as %XX.
[[nodiscard]] std::string percent_encoded(std::string_view text, bool keep_slashes);

using Pairs = std::vector<std::pair<std::string, std::string>>;
// What of a request is signed (AWS Signature Version 4, as S3 wants it: the path encoded once).
struct Request {
  std::string method;
  std::string path;  // encoded
  Pairs query;       // not encoded
  Pairs headers;     // names in lower case; `host` and the date come by themselves
  Sha256 body{};
};

// "?a=b&c=d", encoded, in the order in which it is signed; empty for an empty one.
[[nodiscard]] std::string query_text(Pairs query);

// The headers that prove who asks, to go with those of the request: x-amz-date,
// x-amz-content-sha256, x-amz-security-token where there is one, and authorization.
[[nodiscard]] Pairs signed_headers(const Request& request, const Place& place,
                                   const Credentials& credentials, std::int64_t now_s);
// A link by which anybody may GET the object for `ttl_s` seconds (604,800 at most).
[[nodiscard]] std::string presigned_url(const Place& place, const Credentials& credentials,
                                        std::string_view key, std::int64_t now_s,
                                        std::int64_t ttl_s);

}  // namespace parley::upload
