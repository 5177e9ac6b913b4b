#include "control/client_sdp.h"

#include <sstream>
#include <stdexcept>

#include "control/sdp.h"

namespace parley::client {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

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

Remote read_remote(const std::string& sdp) {
  const auto answer = control::sdp::parse(sdp);
  if (!answer || answer->sections.empty()) fail("no SDP:\n" + sdp);
  const auto& section = answer->sections.front();
  Remote remote;
  remote.credentials = {section.ice_ufrag, section.ice_pwd};
  remote.fingerprints = section.fingerprints;
  // a=candidate:1 1 udp 2130706431 127.0.0.1 40000 typ host
  const std::size_t at = sdp.find("a=candidate:");
  if (at == std::string::npos) fail("SDP without a candidate:\n" + sdp);
  std::vector<std::string> words{""};
  for (std::size_t i = at; i < sdp.size() && sdp[i] != '\r'; ++i) {
    if (sdp[i] == ' ') {
      words.emplace_back();
    } else {
      words.back() += sdp[i];
    }
  }
  if (words.size() < 8) fail("a candidate that is none:\n" + sdp);
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
