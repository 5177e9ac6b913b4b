#include "control/answer.h"

#include <algorithm>

#include "control/sdp_text.h"

namespace parley::control {
namespace {

using Use = LinePlan::Use;

// Of a host candidate, component 1; `rank` is our order. TCP is for when UDP does not get through,
// so its type preference is below that of every UDP host (RFC 6544, section 4.2, leaves the number
// open; this is what Chromium gives its own). Its local preference begins with the direction: 4 is
// passive.
std::uint64_t priority_of(const server::Candidate& candidate, std::uint64_t rank) {
  constexpr std::uint64_t kComponent = 256 - 1;
  if (!candidate.tcp) return 126U << 24 | (65'535U - rank) << 8 | kComponent;
  return 90U << 24 | (4U << 13 | (8'191U - rank)) << 8 | kComponent;
}

// RFC 7587, section 7.1: each side's a=fmtp says what it would like to receive (stereo, usedtx,
// useinbandfec) and, with sprop-, what it may send. We forward what the others take and send, so a
// publisher hears that stereo is welcome as soon as he says that he has it, and a receiver who
// likes stereo that he may get it; the rest comes back as it was offered.
std::string opus_fmtp(std::string_view offered, Use use) {
  const bool stereo = sdp::fmtp_value(offered, "stereo") == "1" ||
                      (use == Use::Publish && sdp::fmtp_value(offered, "sprop-stereo") == "1");
  std::string answered;
  const auto add = [&](std::string_view parameter) {
    answered += (answered.empty() ? "" : ";") + std::string(parameter);
  };
  while (!offered.empty()) {
    std::string_view parameter = sdp::take_until(offered, ';');
    while (parameter.starts_with(' ')) parameter.remove_prefix(1);
    const bool ours = parameter.starts_with("stereo=") || parameter.starts_with("sprop-");
    if (!parameter.empty() && !ours) add(parameter);
  }
  if (stereo) add("stereo=1");
  if (stereo && use == Use::Slot) add("sprop-stereo=1");
  return answered;
}

class Writer {
 public:
  Writer(const sdp::Offer& offer, const Plan& plan, const AnswerTransport& transport)
      : offer_(offer), plan_(plan), transport_(transport) {}

  std::string write() {
    session();
    bool first = true;  // of the bundle: it alone carries the candidates (RFC 9143, section 10.2)
    for (std::size_t i = 0; i < plan_.lines.size(); ++i) {
      const sdp::Section& section = offer_.sections[i];
      const LinePlan& line = plan_.lines[i];
      if (line.use == Use::Rejected) {
        rejected(section);
        continue;
      }
      if (line.use == Use::Data) {
        data(section);
        transport(first);
        first = false;
        continue;
      }
      media(section, line);
      transport(first);
      first = false;
      codecs(section, line);
      if (line.use == Use::Publish) publish(section);
      if (line.use == Use::Slot) slot(section, line);
    }
    return std::move(out_);
  }

 private:
  template <class... Parts>
  void add(const Parts&... parts) {
    (append(parts), ...);
    out_ += "\r\n";
  }
  void append(std::string_view text) { out_ += text; }
  void append(std::uint64_t number) { out_ += std::to_string(number); }

  void session() {
    add("v=0");
    add("o=- ", plan_.description_id, " ", plan_.version, " IN IP4 127.0.0.1");
    add("s=-");
    add("t=0 0");
    std::string bundle;
    for (std::size_t i = 0; i < plan_.lines.size(); ++i) {
      if (plan_.lines[i].use == Use::Rejected) continue;
      bundle += " " + std::string(offer_.sections[i].mid.view());
    }
    if (!offer_.bundle.empty() && !bundle.empty()) add("a=group:BUNDLE", bundle);
    if (offer_.extmap_allow_mixed) add("a=extmap-allow-mixed");
    add("a=msid-semantic: WMS *");
    add("a=ice-lite");
  }

  void rejected(const sdp::Section& section) {
    std::string formats;
    for (const std::string& format : section.formats) formats += " " + format;
    add("m=", section.media, " 0 ", section.protocol, formats);
    add("c=IN IP4 0.0.0.0");
    add("a=inactive");
    add("a=mid:", section.mid.view());
  }

  // RFC 8841.
  void data(const sdp::Section& section) {
    add("m=application 9 ", section.protocol, " webrtc-datachannel");
    add("c=IN IP4 0.0.0.0");
    add("a=mid:", section.mid.view());
    add("a=sctp-port:", std::uint64_t{server::DataParams{}.remote_port});
    add("a=max-message-size:", std::uint64_t{server::DataParams{}.max_message});
  }

  void media(const sdp::Section& section, const LinePlan& line) {
    std::string formats;
    for (const ChosenCodec& codec : line.codecs) {
      formats += " " + std::to_string(codec.params.pt.value);
      if (codec.params.rtx_pt) formats += " " + std::to_string(codec.params.rtx_pt->value);
      if (codec.params.red_pt) formats += " " + std::to_string(codec.params.red_pt->value);
    }
    add("m=", section.media, " 9 ", section.protocol, formats);
    add("c=IN IP4 0.0.0.0");
    const std::uint64_t kbps = transport_.max_publish_bitrate_kbps;
    if (line.use == Use::Publish && section.kind == rtp::MediaKind::Video && kbps != 0) {
      add("b=AS:", kbps);
      add("b=TIAS:", kbps * 1'000);
    }
    add("a=mid:", section.mid.view());
    switch (line.use) {
      case Use::Publish:
        add("a=recvonly");
        break;
      case Use::Slot:
        add("a=sendonly");
        break;
      case Use::Inactive:
      case Use::Rejected:
      case Use::Data:
        add("a=inactive");
        break;
    }
    add("a=rtcp-mux");
    if (section.rtcp_rsize) add("a=rtcp-rsize");
  }

  void transport(bool with_candidates) {
    add("a=ice-ufrag:", plan_.local.ufrag);
    add("a=ice-pwd:", plan_.local.pwd);
    add("a=fingerprint:", transport_.fingerprint);
    add("a=setup:passive");
    if (!with_candidates) return;
    std::uint64_t rank = 0;
    for (const server::Candidate& candidate : transport_.candidates) {
      const std::uint64_t priority = priority_of(candidate, rank);
      ++rank;
      add("a=candidate:", rank, candidate.tcp ? " 1 tcp " : " 1 udp ", priority, " ", candidate.ip,
          " ", std::uint64_t{candidate.port}, " typ host", candidate.tcp ? " tcptype passive" : "");
    }
    add("a=end-of-candidates");
  }

  void codecs(const sdp::Section& section, const LinePlan& line) {
    for (const ChosenCodec& chosen : line.codecs) {
      const sdp::Codec& codec = section.codecs[chosen.index];
      rtpmap(codec);
      for (const std::string_view feedback : chosen.feedback) {
        add("a=rtcp-fb:", std::uint64_t{codec.pt.value}, " ", feedback);
      }
      // Repeating the offer's parameters is right for video: levels of H.264 may differ by
      // direction when both sides say so, the others describe what one may send.
      const bool opus = chosen.params.codec == rtp::Codec::Opus;
      const std::string fmtp = opus ? opus_fmtp(codec.fmtp, line.use) : codec.fmtp;
      if (!fmtp.empty()) add("a=fmtp:", std::uint64_t{codec.pt.value}, " ", fmtp);
      for (const auto& extra : {chosen.rtx, chosen.red}) {
        if (!extra) continue;
        const sdp::Codec& around = section.codecs[*extra];
        rtpmap(around);
        add("a=fmtp:", std::uint64_t{around.pt.value}, " ", around.fmtp);
      }
    }
    for (const std::size_t index : line.extensions.indexes) {
      const sdp::HeaderExtension& extension = section.extensions[index];
      std::string_view direction;
      if (extension.direction == sdp::Direction::SendOnly) direction = "/recvonly";
      if (extension.direction == sdp::Direction::RecvOnly) direction = "/sendonly";
      add("a=extmap:", std::uint64_t{extension.id}, direction, " ", extension.uri);
    }
  }

  void rtpmap(const sdp::Codec& codec) {
    std::string channels;
    if (codec.channels > 1) channels = "/" + std::to_string(codec.channels);
    add("a=rtpmap:", std::uint64_t{codec.pt.value}, " ", codec.name, "/",
        std::uint64_t{codec.clock_rate_hz}, channels);
  }

  void publish(const sdp::Section& section) {
    if (section.simulcast_send.empty()) return;
    std::string list;
    for (const rtp::Rid& rid : section.simulcast_send) {
      add("a=rid:", rid.view(), " recv");
      list += (list.empty() ? "" : ";") + std::string(rid.view());
    }
    add("a=simulcast:recv ", list);
  }

  // Audio slot i and video slot i share a stream id, so that a browser keeps them in sync.
  void slot(const sdp::Section& section, const LinePlan& line) {
    const std::string stream = "slot-" + std::to_string(line.slot_index);
    const bool audio = section.kind == rtp::MediaKind::Audio;
    const bool has_rtx =
        std::any_of(line.codecs.begin(), line.codecs.end(),
                    [](const ChosenCodec& codec) { return codec.rtx.has_value(); });
    add("a=msid:", stream, " ", stream, audio ? "-a" : "-v");
    if (has_rtx) {
      add("a=ssrc-group:FID ", std::uint64_t{line.ssrc.value}, " ",
          std::uint64_t{line.rtx_ssrc.value});
    }
    add("a=ssrc:", std::uint64_t{line.ssrc.value}, " cname:", plan_.cname);
    if (has_rtx) add("a=ssrc:", std::uint64_t{line.rtx_ssrc.value}, " cname:", plan_.cname);
  }

  const sdp::Offer& offer_;
  const Plan& plan_;
  const AnswerTransport& transport_;
  std::string out_;
};

}  // namespace

std::string write_answer(const sdp::Offer& offer, const Plan& plan,
                         const AnswerTransport& transport) {
  return Writer(offer, plan, transport).write();
}

}  // namespace parley::control
