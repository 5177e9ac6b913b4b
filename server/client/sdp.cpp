#include "server/client/sdp.h"

#include <sstream>
#include <stdexcept>

namespace parley::client {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

// What stands behind the first line that begins so.
std::string value_of(const std::string& sdp, const std::string& begin) {
  const std::size_t at = sdp.find(begin);
  if (at == std::string::npos) fail("SDP without " + begin + "\n" + sdp);
  const std::size_t from = at + begin.size();
  return sdp.substr(from, sdp.find_first_of("\r\n", from) - from);
}

void add_video(std::string& sdp, const Line& line) {
  sdp +=
      "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
      "a=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 transport-cc\r\na=rtpmap:97 rtx/90000\r\n"
      "a=fmtp:97 apt=96\r\n";
  if (line.ssrc.value == 0) return;
  const std::string media = std::to_string(line.ssrc.value);
  const std::string rtx = std::to_string(line.rtx_ssrc.value);
  sdp += "a=ssrc-group:FID " + media + " " + rtx + "\r\na=ssrc:" + media +
         " cname:load\r\na=ssrc:" + rtx + " cname:load\r\n";
}

void add_audio(std::string& sdp, const Line& line) {
  sdp +=
      "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
      "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n"
      "a=fmtp:111 minptime=10;useinbandfec=1\r\n";
  if (line.ssrc.value != 0) {
    sdp += "a=ssrc:" + std::to_string(line.ssrc.value) + " cname:load\r\n";
  }
}

}  // namespace

std::string make_offer(const std::vector<Line>& lines, const server::IceCredentials& local,
                       const std::string& fingerprint, const std::string& setup) {
  std::string sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE";
  for (const Line& line : lines) sdp += " " + line.mid;
  sdp += "\r\na=extmap-allow-mixed\r\n";
  for (const Line& line : lines) {
    const bool video = line.kind == rtp::MediaKind::Video;
    sdp += std::string("m=") + (video ? "video" : "audio") + " 9 UDP/TLS/RTP/SAVPF " +
           (video ? "96 97" : "111") + "\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:" + local.ufrag +
           "\r\na=ice-pwd:" + local.pwd + "\r\na=fingerprint:" + fingerprint +
           "\r\na=setup:" + setup + "\r\na=mid:" + line.mid +
           "\r\na=" + (line.ssrc.value != 0 ? "sendonly" : "recvonly") +
           "\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
           "a=extmap:3 http://www.ietf.org/id/"
           "draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n"
           "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
    if (video) {
      add_video(sdp, line);
    } else {
      add_audio(sdp, line);
    }
  }
  return sdp;
}

// Of the first m-line, which with BUNDLE speaks for all.
Remote read_remote(const std::string& sdp) {
  Remote remote;
  remote.credentials = {value_of(sdp, "a=ice-ufrag:"), value_of(sdp, "a=ice-pwd:")};
  std::istringstream fingerprint(value_of(sdp, "a=fingerprint:"));
  std::string algorithm;
  std::string digest;
  fingerprint >> algorithm >> digest;
  if (algorithm != "sha-256") fail("no SHA-256 fingerprint:\n" + sdp);
  server::Fingerprint known;
  for (std::size_t at = 0; at + 2 <= digest.size(); at += 3) {
    known.digest.push_back(static_cast<std::uint8_t>(std::stoi(digest.substr(at, 2), nullptr, 16)));
  }
  remote.fingerprints.push_back(std::move(known));
  // candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host
  std::istringstream candidate(value_of(sdp, "a=candidate:"));
  std::vector<std::string> words;
  for (std::string word; candidate >> word;) words.push_back(word);
  if (words.size() < 7) fail("a candidate that is none:\n" + sdp);
  const auto port = static_cast<std::uint16_t>(std::stoi(words[5]));
  const auto address = server::TransportAddress::parse_ip(words[4], port);
  if (!address) fail("a candidate without an address:\n" + sdp);
  remote.address = *address;
  return remote;
}

std::string make_receiving_answer(const std::string& offer, const server::IceCredentials& local,
                                  const std::string& fingerprint) {
  std::string answer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
  std::istringstream lines(offer);
  bool in_section = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.starts_with("m=")) {
      in_section = true;
      answer += line + "\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:" + local.ufrag +
                "\r\na=ice-pwd:" + local.pwd + "\r\na=fingerprint:" + fingerprint +
                "\r\na=setup:active\r\na=recvonly\r\na=rtcp-mux\r\n";
      continue;
    }
    const bool copied =
        line.starts_with("a=group:BUNDLE") ||
        (in_section && (line.starts_with("a=mid:") || line.starts_with("a=rtpmap:") ||
                        line.starts_with("a=fmtp:") || line.starts_with("a=rtcp-fb:")));
    if (copied) answer += line + "\r\n";
  }
  return answer;
}

}  // namespace parley::client
