#include "control/sdp.h"

#include <algorithm>
#include <array>
#include <unordered_set>

#include "control/sdp_text.h"

namespace parley::control::sdp {
namespace {

using Status = tl::expected<void, std::string>;

tl::unexpected<std::string> bad(std::string text) { return tl::unexpected(std::move(text)); }

std::optional<Direction> read_direction(std::string_view name) {
  if (name == "sendrecv") return Direction::SendRecv;
  if (name == "sendonly") return Direction::SendOnly;
  if (name == "recvonly") return Direction::RecvOnly;
  if (name == "inactive") return Direction::Inactive;
  return std::nullopt;
}

class Reader {
 public:
  tl::expected<Offer, std::string> read(std::string_view text);

 private:
  Status read_line(std::string_view line);
  Status read_media(std::string_view value);
  Status read_attribute(std::string_view value);
  Status read_media_attribute(std::string_view name, std::string_view value);
  Status finish();
  Status finish_section(Section& section);

  Status sctp_port(std::string_view value);
  Status max_message_size(std::string_view value);
  Status mid(std::string_view value);
  Status rtpmap(std::string_view value);
  Status fmtp(std::string_view value);
  Status rtcp_fb(std::string_view value);
  Status extmap(std::string_view value);
  Status rid(std::string_view value);
  Status simulcast(std::string_view value);
  Status ssrc(std::string_view value);
  Status ssrc_group(std::string_view value);
  Status group(std::string_view value);
  Status fingerprint(std::string_view value);
  Status setup(std::string_view value);
  Status ice_ufrag(std::string_view value);
  Status ice_pwd(std::string_view value);

  Codec* codec(std::string_view pt);
  // Where an attribute belongs that may stand at both levels.
  Section& here() { return in_section_ ? offer_.sections.back() : session_; }

  Offer offer_;
  Section session_;  // attributes above the first m-line
  bool in_section_ = false;
  bool has_bundle_ = false;
  std::size_t line_ = 0;
  std::unordered_set<std::string> mids_;
  std::vector<std::string> feedback_for_all_;
  std::string seen_;  // types of the first lines, in order
};

tl::expected<Offer, std::string> Reader::read(std::string_view text) {
  const auto at_line = [this](const std::string& what) {
    return bad("sdp line " + std::to_string(line_) + ": " + what);
  };
  line_ = 1;
  if (text.size() > kMaxBytes) return at_line("longer than 262144 bytes");
  for (line_ = 1; !text.empty(); ++line_) {
    if (line_ > kMaxLines) return at_line("more than 8000 lines");
    std::string_view line = take_until(text, '\n');
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (const Status status = read_line(line); !status) return at_line(status.error());
  }
  --line_;
  if (const Status status = finish(); !status) return at_line(status.error());
  return std::move(offer_);
}

Status Reader::read_line(std::string_view line) {
  if (line.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) {
    return bad("a control character inside the line");
  }
  if (line.size() < 2 || line[1] != '=') return bad("not of the form x=value: " + quoted(line));
  const char type = line[0];
  const std::string_view value = line.substr(2);
  if (seen_.size() < 3) {  // RFC 8866, section 5: v, o and s come first and in this order
    if (type != "vos"[seen_.size()]) {
      return bad(std::string("expected ") + "vos"[seen_.size()] + "=, got " + quoted(line));
    }
    seen_ += type;
    if (type == 'v' && value != "0") return bad("unknown version " + quoted(value));
    return {};
  }
  if (type == 'm') return read_media(value);
  if (type == 'a') return read_attribute(value);
  if (type < 'a' || type > 'z') return bad("unknown line type " + quoted(line));
  return {};
}

Status Reader::read_media(std::string_view value) {
  if (in_section_) {
    if (const Status status = finish_section(offer_.sections.back()); !status) return status;
  }
  if (offer_.sections.size() >= kMaxSections) return bad("more than 64 m-lines");
  Section section;
  section.line = line_;
  section.media = std::string(take_word(value));
  if (section.media == "audio") section.kind = rtp::MediaKind::Audio;
  if (section.media == "video") section.kind = rtp::MediaKind::Video;
  const std::string_view port = take_word(value);
  const auto port_number = number<std::uint16_t>(port, 65'535);
  if (!port_number) return bad("port " + quoted(port) + " is not 0..65535");
  section.port = *port_number;
  section.protocol = std::string(take_word(value));
  const bool rtp = section.protocol.find("RTP/") != std::string::npos;
  for (auto format = take_word(value); !format.empty(); format = take_word(value)) {
    if (section.formats.size() >= kMaxFormats) return bad("more than 128 formats in an m-line");
    if (rtp) {
      const auto pt = number<std::uint8_t>(format, 127);
      if (!pt) return bad("payload type " + quoted(format) + " is not 0..127");
      const auto same = [&](const Codec& other) { return other.pt.value == *pt; };
      if (std::any_of(section.codecs.begin(), section.codecs.end(), same)) {
        return bad("duplicate payload type " + quoted(format));
      }
      section.codecs.emplace_back().pt = rtp::PayloadType(*pt);
    }
    section.formats.emplace_back(format);
  }
  if (section.formats.empty()) return bad("m-line without formats");
  section.direction = session_.direction;
  offer_.sections.push_back(std::move(section));
  in_section_ = true;
  feedback_for_all_.clear();
  return {};
}

Status Reader::read_attribute(std::string_view value) {
  const std::string_view name = take_until(value, ':');
  if (const auto direction = read_direction(name)) {
    here().direction = *direction;
    return {};
  }
  if (name == "group") return group(value);
  if (name == "extmap-allow-mixed") offer_.extmap_allow_mixed = true;
  if (name == "extmap") return extmap(value);
  if (name == "fingerprint") return fingerprint(value);
  if (name == "setup") return setup(value);
  if (name == "ice-ufrag") return ice_ufrag(value);
  if (name == "ice-pwd") return ice_pwd(value);
  return in_section_ ? read_media_attribute(name, value) : Status{};
}

Status Reader::read_media_attribute(std::string_view name, std::string_view value) {
  Section& section = offer_.sections.back();
  if (name == "mid") return mid(value);
  if (name == "rtpmap") return rtpmap(value);
  if (name == "fmtp") return fmtp(value);
  if (name == "rtcp-fb") return rtcp_fb(value);
  if (name == "rid") return rid(value);
  if (name == "simulcast") return simulcast(value);
  if (name == "ssrc") return ssrc(value);
  if (name == "ssrc-group") return ssrc_group(value);
  if (name == "bundle-only") section.bundle_only = true;
  if (name == "rtcp-mux") section.rtcp_mux = true;
  if (name == "rtcp-rsize") section.rtcp_rsize = true;
  if (name == "msid") section.msid = std::string(value);
  if (name == "sctp-port") return sctp_port(value);
  if (name == "max-message-size") return max_message_size(value);
  if (name == "candidate") section.candidates = std::min(section.candidates + 1, kMaxCandidates);
  return {};
}

Status Reader::sctp_port(std::string_view value) {
  const auto port = number<std::uint16_t>(value, 65'535);
  if (!port || *port == 0) return bad("sctp-port " + quoted(value) + " is not 1..65535");
  offer_.sections.back().sctp_port = *port;
  return {};
}

Status Reader::max_message_size(std::string_view value) {
  const auto size = number<std::uint64_t>(value, std::numeric_limits<std::uint64_t>::max());
  if (!size) return bad("max-message-size " + quoted(value) + " is no number");
  offer_.sections.back().max_message_size = *size;
  return {};
}

Status Reader::mid(std::string_view value) {
  const auto mid = rtp::Mid::from(value);
  if (!mid) return bad("mid " + quoted(value) + " is not 1..16 visible characters");
  Section& section = offer_.sections.back();
  if (!section.mid.empty()) return bad("second mid of one m-line");
  if (!mids_.insert(std::string(value)).second) return bad("duplicate mid " + quoted(value));
  section.mid = *mid;
  return {};
}

Codec* Reader::codec(std::string_view pt) {
  const auto value = number<std::uint8_t>(pt, 127);
  if (!value) return nullptr;
  for (Codec& codec : offer_.sections.back().codecs) {
    if (codec.pt.value == *value) return &codec;
  }
  return nullptr;
}

// a=rtpmap:<payload type> <name>/<clock rate>[/<channels>]
Status Reader::rtpmap(std::string_view value) {
  const std::string_view pt = take_word(value);
  if (!number<std::uint8_t>(pt, 127)) return bad("rtpmap of payload type " + quoted(pt));
  const std::string_view name = take_until(value, '/');
  const auto rate = number<std::uint32_t>(take_until(value, '/'), 4'294'967'295);
  if (name.empty() || name.size() > 64 || !rate || *rate == 0) {
    return bad("rtpmap of " + quoted(pt) + " is not name/clock-rate");
  }
  const auto channels = value.empty() ? 1 : number<std::uint32_t>(value, 255);
  if (!channels || *channels == 0) return bad("rtpmap of " + quoted(pt) + ": channels");
  Codec* codec = this->codec(pt);
  if (codec == nullptr) return {};  // not in the m-line: of no effect
  if (!codec->name.empty()) return bad("second rtpmap of payload type " + quoted(pt));
  codec->name = std::string(name);
  codec->clock_rate_hz = *rate;
  codec->channels = *channels;
  return {};
}

Status Reader::fmtp(std::string_view value) {
  if (Codec* codec = this->codec(take_word(value)); codec != nullptr) {
    codec->fmtp = std::string(value);
  }
  return {};
}

// Firefox writes these for payload types that are not in the m-line, too.
Status Reader::rtcp_fb(std::string_view value) {
  const std::string_view pt = take_word(value);
  if (pt == "*") {
    if (feedback_for_all_.size() >= kMaxFeedback) return bad("more than 32 a=rtcp-fb:*");
    feedback_for_all_.emplace_back(value);
  } else if (Codec* codec = this->codec(pt); codec != nullptr) {
    if (codec->feedback.size() >= kMaxFeedback) return bad("more than 32 a=rtcp-fb of one type");
    codec->feedback.emplace_back(value);
  }
  return {};
}

// a=extmap:<id>["/"<direction>] <uri> [<attributes>]
Status Reader::extmap(std::string_view value) {
  std::string_view id_text = take_word(value);
  const std::string_view id = take_until(id_text, '/');
  HeaderExtension extension;
  const auto id_number = number<std::uint16_t>(id, 65'535);
  if (!id_number || *id_number == 0) return bad("extmap id " + quoted(id));
  extension.id = *id_number;
  if (!id_text.empty()) {
    extension.direction = read_direction(id_text);
    if (!extension.direction) return bad("extmap direction " + quoted(id_text));
  }
  extension.uri = std::string(take_word(value));
  if (extension.uri.empty()) return bad("extmap without a uri");
  std::vector<HeaderExtension>& all = here().extensions;
  const auto same = [&](const HeaderExtension& other) { return other.id == extension.id; };
  if (std::any_of(all.begin(), all.end(), same)) return bad("duplicate extmap id " + quoted(id));
  if (all.size() >= kMaxExtensions) return bad("more than 64 extmaps");
  all.push_back(std::move(extension));
  return {};
}

// a=rid:<id> send|recv [parameters]
Status Reader::rid(std::string_view value) {
  const std::string_view id = take_word(value);
  const auto rid = rtp::Rid::from(id);
  if (!rid) return bad("rid " + quoted(id) + " is not 1..16 visible characters");
  const std::string_view direction = take_word(value);
  if (direction != "send" && direction != "recv") return bad("rid direction " + quoted(direction));
  if (direction == "recv") return {};
  std::vector<rtp::Rid>& rids = offer_.sections.back().rids_send;
  if (std::find(rids.begin(), rids.end(), *rid) != rids.end()) {
    return bad("duplicate rid " + quoted(id));
  }
  if (rids.size() >= kMaxRids) return bad("more than 8 rids");
  rids.push_back(*rid);
  return {};
}

// a=simulcast:send <q>;<h>,<alternative>;~<paused> [recv ...]
Status Reader::simulcast(std::string_view value) {
  Section& section = offer_.sections.back();
  for (auto direction = take_word(value); !direction.empty(); direction = take_word(value)) {
    std::string_view list = take_word(value);
    if (direction != "send" && direction != "recv") {
      return bad("simulcast direction " + quoted(direction));
    }
    if (direction == "recv") continue;
    if (!section.simulcast_send.empty()) return bad("second a=simulcast:send");
    while (!list.empty()) {
      std::string_view stream = take_until(list, ';');
      std::string_view name = take_until(stream, ',');
      if (!name.empty() && name.front() == '~') name.remove_prefix(1);
      const auto rid = rtp::Rid::from(name);
      if (!rid) return bad("simulcast rid " + quoted(name));
      auto& all = section.simulcast_send;
      if (std::find(all.begin(), all.end(), *rid) != all.end()) {
        return bad("duplicate simulcast rid " + quoted(name));
      }
      if (all.size() >= kMaxRids) return bad("more than 8 simulcast streams");
      all.push_back(*rid);
    }
  }
  return {};
}

Status Reader::ssrc(std::string_view value) {
  const std::string_view id = take_word(value);
  const auto ssrc = number<std::uint32_t>(id, 4'294'967'295);
  if (!ssrc) return bad("ssrc " + quoted(id));
  std::vector<rtp::Ssrc>& all = offer_.sections.back().ssrcs;
  if (std::find(all.begin(), all.end(), rtp::Ssrc(*ssrc)) != all.end()) return {};
  if (all.size() >= kMaxSsrcs) return bad("more than 64 ssrcs in an m-line");
  all.push_back(rtp::Ssrc(*ssrc));
  return {};
}

Status Reader::ssrc_group(std::string_view value) {
  if (take_word(value) != "FID") return {};  // SIM, FEC-FR: not ours
  const auto media = number<std::uint32_t>(take_word(value), 4'294'967'295);
  const auto rtx = number<std::uint32_t>(take_word(value), 4'294'967'295);
  if (!media || !rtx || *media == *rtx || !value.empty()) return bad("FID group is not two ssrcs");
  std::vector<SsrcGroup>& all = offer_.sections.back().fid_groups;
  if (all.size() >= kMaxSsrcs) return bad("more than 64 ssrc groups");
  all.push_back({rtp::Ssrc(*media), rtp::Ssrc(*rtx)});
  return {};
}

Status Reader::group(std::string_view value) {
  if (take_word(value) != "BUNDLE" || has_bundle_) return {};
  has_bundle_ = true;
  for (auto word = take_word(value); !word.empty(); word = take_word(value)) {
    const auto mid = rtp::Mid::from(word);
    if (!mid) return bad("BUNDLE names a mid that cannot be: " + quoted(word));
    if (offer_.bundle.size() >= kMaxSections) return bad("more than 64 mids in BUNDLE");
    offer_.bundle.push_back(*mid);
  }
  return {};
}

Status Reader::fingerprint(std::string_view value) {
  const std::string_view name = take_word(value);
  server::Fingerprint fingerprint;
  std::size_t size = 0;
  if (equal_ignoring_case(name, "sha-256")) {
    size = 32;
  } else if (equal_ignoring_case(name, "sha-384")) {
    fingerprint.algorithm = server::HashAlgorithm::Sha384;
    size = 48;
  } else if (equal_ignoring_case(name, "sha-512")) {
    fingerprint.algorithm = server::HashAlgorithm::Sha512;
    size = 64;
  } else {
    return {};  // sha-1 and the like prove too little; without any other the offer is refused
  }
  auto digest = read_digest(take_word(value), size);
  if (!digest) return bad("fingerprint is not " + std::to_string(size) + " bytes in hex");
  fingerprint.digest = std::move(*digest);
  if (here().fingerprints.size() >= kMaxFingerprints) return bad("more than 8 fingerprints");
  here().fingerprints.push_back(std::move(fingerprint));
  return {};
}

Status Reader::setup(std::string_view value) {
  constexpr std::array<std::string_view, 4> kNames = {"actpass", "active", "passive", "holdconn"};
  const auto* const name = std::find(kNames.begin(), kNames.end(), value);
  if (name == kNames.end()) return bad("setup " + quoted(value));
  here().setup = static_cast<Setup>(name - kNames.begin());
  return {};
}

Status Reader::ice_ufrag(std::string_view value) {
  if (!is_ice_text(value, 4, 256)) return bad("ice-ufrag is not 4..256 ice-chars");
  here().ice_ufrag = std::string(value);
  return {};
}

Status Reader::ice_pwd(std::string_view value) {
  if (!is_ice_text(value, 22, 256)) return bad("ice-pwd is not 22..256 ice-chars");
  here().ice_pwd = std::string(value);
  return {};
}

Status Reader::finish_section(Section& section) {
  if (section.mid.empty()) {
    return bad("the m-line of line " + std::to_string(section.line) + " has no mid");
  }
  for (Codec& codec : section.codecs) {
    codec.feedback.insert(codec.feedback.end(), feedback_for_all_.begin(), feedback_for_all_.end());
  }
  for (const rtp::Rid& rid : section.simulcast_send) {
    const auto& rids = section.rids_send;
    if (std::find(rids.begin(), rids.end(), rid) == rids.end()) {
      return bad("simulcast names rid " + quoted(rid.view()) + " that no a=rid declares");
    }
  }
  if (section.ice_ufrag.empty()) section.ice_ufrag = session_.ice_ufrag;
  if (section.ice_pwd.empty()) section.ice_pwd = session_.ice_pwd;
  if (section.fingerprints.empty()) section.fingerprints = session_.fingerprints;
  if (!section.setup) section.setup = session_.setup;
  for (const HeaderExtension& extension : session_.extensions) {
    const auto same = [&](const HeaderExtension& other) { return other.id == extension.id; };
    if (std::none_of(section.extensions.begin(), section.extensions.end(), same)) {
      section.extensions.push_back(extension);
    }
  }
  return {};
}

Status Reader::finish() {
  if (seen_.size() < 3) return bad("ends before its s= line");
  if (!in_section_) return bad("no m-line");
  return finish_section(offer_.sections.back());
}

}  // namespace

tl::expected<Offer, std::string> parse(std::string_view text) { return Reader().read(text); }

}  // namespace parley::control::sdp
