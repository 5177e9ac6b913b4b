#include "server/subscription.h"

#include <algorithm>
#include <array>
#include <utility>

#include "rtp/clock_map.h"
#include "rtp/encoding_activity.h"
#include "rtp/packet_pool.h"
#include "rtp/prefetch.h"
#include "rtp/sequence.h"
#include "server/downlink.h"
#include "server/track.h"

namespace parley::server {
namespace {

constexpr rtp::Duration kReportInterval{1'000'000};
constexpr rtp::Duration kReasonInterval{500'000};
// Something is asked for so long, with no longer pause, though it is not sent again any more.
constexpr rtp::Duration kRefusedLong{150'000};
constexpr rtp::Duration kRefusalsEnd{400'000};
// Between key frames asked for because of that, which everybody gets who watches that layer.
constexpr rtp::Duration kStartWait{1'000'000};
constexpr rtp::Duration kLongestStartWait{8'000'000};
// Into a longer one nothing more goes of a layer that is given up: what it holds is seen while the
// smaller one's key frame is waited for.
constexpr rtp::Duration kLongQueue{60'000};
// 120 ms at 48 kHz: no Opus packet is longer (RFC 6716, section 3.2.5). Behind a longer step there
// was a pause (DTX); what was said before it would come too late.
constexpr std::uint32_t kLongestFrame = 5'760;
// Of all frames in one packet, so that it passes everywhere.
constexpr std::size_t kMaxRedundantSize = 1'100;

std::uint32_t clock_rate_of(const SlotSection& section) {
  if (!section.codecs.empty()) return section.codecs.front().clock_rate_hz;
  return section.kind == rtp::MediaKind::Audio ? 48'000 : 90'000;
}

rtp::TransportLog::Content content(rtp::Ssrc ssrc, rtp::ExtSeq seq) noexcept {
  return {ssrc, rtp::Seq{static_cast<std::uint16_t>(seq.value)}};
}

// A first number well below the wrap: if the very first packets are lost, a receiver that starts
// behind the wrap would guess the roll-over counter wrong and never decrypt (RFC 3711, 3.3.1).
rtp::Seq first_seq(std::uint32_t random) {
  return rtp::Seq{static_cast<std::uint16_t>(1 + random % 0x7fff)};
}

}  // namespace

Subscription::Subscription(Context& context, Connection& connection, PeerId peer,
                           SlotSection section)
    : context_(context),
      connection_(connection),
      peer_(peer),
      section_(std::move(section)),
      rtx_seq_(first_seq(context.random32())),
      forwarder_(section_.kind, clock_rate_of(section_), first_seq(context.random32()),
                 rtp::RtpTimestamp{context.random32()}) {}

Subscription::~Subscription() {
  if (track_ != nullptr) track_->remove(*this);
}

void Subscription::update(SlotSection section) {
  section_ = std::move(section);
  forget_match();
}

void Subscription::assign(rtp::Time now, Track* track, Want want) {
  if (want.max_height != want_.max_height || track != track_) told_ = {};
  if (want != want_) hold_.end(now);
  want_ = want;
  if (track != track_) {
    if (track_ != nullptr) track_->remove(*this);
    track_ = track;
    gives_up_ = false;
    hold_ = {};
    refused_.reset();
    forget_match();
    if (track_ != nullptr) {
      track_->add(*this);
      forwarder_.set_muted(track_->muted());
      const bool resends = std::any_of(section_.codecs.begin(), section_.codecs.end(),
                                       [](const CodecParams& codec) { return codec.rtx_pt; });
      if (resends && !sent_log_) sent_log_.emplace(context_.media.history_packets);
    }
  }
  if (track_ == nullptr) return on_track_ended();
  if (shows_video() && connection_.ready()) return;
  choose_layer(now, connection_.downlink() == nullptr ? want_.max_height : 0);
  pass_on_wishes();
}

void Subscription::on_track_ended() {
  track_ = nullptr;
  forget_match();
  forwarder_.set_target(std::nullopt);
  if (!shown_) return;
  shown_.reset();
  context_.emit(SlotSwitched{peer_, section_.mid, std::nullopt, 0});
}

std::optional<std::size_t> Subscription::current_layer(Rungs layers) const noexcept {
  const auto target = forwarder_.target();
  if (!target || target->track != track_->number().value) return std::nullopt;
  return rtp::rung_of(layers, target->encoding, forwarder_.target_limit());
}

// AV1 tells of its spatial layers in the dependency descriptor alone: without it they would be
// decoded as pictures of their own.
bool Subscription::takes_spatial_layers() const noexcept {
  const auto codec = matched_ != nullptr ? std::optional(matched_->codec) : track_->codec();
  return codec != rtp::Codec::Av1 ||
         section_.extensions.id(rtp::Extension::DependencyDescriptor) != 0;
}

Subscription::Rungs Subscription::usable(Rungs layers) const noexcept {
  if (takes_spatial_layers()) return layers;
  const auto larger = std::find_if(layers.begin(), layers.end(), [](const auto& layer) {
    return layer.limit.spatial > 0 && layer.limit.spatial != rtp::LayerLimit::kAll;
  });
  return layers.first(static_cast<std::size_t>(larger - layers.begin()));
}

void Subscription::set_target(const rtp::LayerActivity::Layer& layer) noexcept {
  rtp::LayerLimit limit = layer.limit;
  if (!takes_spatial_layers()) limit.spatial = 0;
  forwarder_.set_target(rtp::Source{track_->number().value, layer.encoding}, limit);
}

void Subscription::choose_layer(rtp::Time now, std::uint32_t max_height) {
  Track::Layers buffer;
  const Rungs layers = usable(track_->layers(now, buffer));
  set_target(layers[rtp::select_layer(layers, max_height, current_layer(layers)).value_or(0)]);
}

rtp::LayerWish Subscription::wish(rtp::Time now,
                                  std::span<const rtp::LayerActivity::Layer> layers) const {
  layers = usable(layers);
  const auto current = current_layer(layers);
  rtp::LayerWish wish{layers, want_.max_height, want_.priority, current};
  wish.stays_paused = hold_.holds_pause(now);
  wish.held = hold_.held_until(now);
  if (current && is_given_up()) wish.held = rtp::Bitrate{0};  // nothing is proven before a picture
  return wish;
}

void Subscription::show(rtp::Time now, const rtp::LayerChoice& choice, Rungs layers,
                        const rtp::WayEstimate& estimate) {
  hold_.on_choice(now, current_layer(layers), choice, estimate);
  tell_choice(now, choice, layers, estimate.rate);
  if (choice.layer) {
    set_target(layers[*choice.layer]);
  } else {
    forwarder_.set_target(std::nullopt);
  }
  give_up_shown();
  pass_on_wishes();
}

// What the way does not carry, for the smaller layer that it is to be.
void Subscription::give_up_shown() noexcept {
  const Downlink* const downlink = connection_.downlink();
  if (downlink == nullptr || !downlink->congested()) return;
  const auto shown = forwarder_.current();
  const auto target = forwarder_.target();
  if (target && (!shown || target->encoding >= shown->encoding)) return;
  gives_up_ = true;
  if (downlink->queue() > kLongQueue) forwarder_.pause_until_target();
}

void Subscription::tell_choice(rtp::Time now, const rtp::LayerChoice& choice, Rungs layers,
                               rtp::Bitrate estimate) {
  const bool shows = choice.layer && *choice.layer < layers.size();
  const std::uint32_t height = shows ? layers[*choice.layer].height : 0;
  if (told_.choice && told_.choice->layer == choice.layer) {
    const bool same = told_.choice->reason == choice.reason && told_.height == height;
    if (same || now - told_.at < kReasonInterval) return;
  }
  told_ = {choice, height, now};
  SlotLayer event;
  event.peer = peer_;
  event.slot = section_.mid;
  event.track = track_->number();
  event.layers = static_cast<std::uint8_t>(layers.size());
  event.reason = choice.reason;
  event.estimate = estimate;
  event.needed = choice.needed;
  if (shows) {
    event.layer = static_cast<std::uint8_t>(*choice.layer);
    event.height = height;
    event.bitrate = layers[*choice.layer].bitrate;
  }
  context_.emit(event);
}

bool Subscription::waits_for(rtp::Source source) const noexcept {
  return connection_.ready() && !undecodable() && forwarder_.wants_key_frame() == source;
}

void Subscription::pass_on_wishes() noexcept {
  const auto wanted = forwarder_.wants_key_frame();
  if (!wanted || track_ == nullptr || !connection_.ready() || undecodable()) return;
  if (wanted->track == track_->number().value) track_->want_key_frame(wanted->encoding);
}

const CodecParams* Subscription::codec_for(const CodecParams& source) noexcept {
  if (matched_for_ != &source) {
    matched_for_ = &source;
    matched_ = match_codec(source, section_.codecs);
    // The rungs of another codec may have been chosen before.
    if (!takes_spatial_layers() && forwarder_.target()) {
      forwarder_.set_target(forwarder_.target(), {0, forwarder_.target_limit().temporal});
    }
  }
  return matched_;
}

void Subscription::prefetch() const noexcept {
  constexpr std::size_t kHot = sizeof(Subscription) - sizeof(redundancy_control_) -
                               sizeof(sent_log_) - sizeof(told_) - sizeof(rtp::Renumberer) -
                               sizeof(rtp::SkippedPictures);
  rtp::prefetch(this, kHot + 64);
  rtp::prefetch(&sent_log_, 128);
}

void Subscription::forward(rtp::Time now, const MediaPacket& media) {
  if (!connection_.ready()) return;
  const CodecParams* codec = codec_for(media.codec);
  if (codec == nullptr) return drop_undecodable(media);
  const auto rewrite = forwarder_.on_packet(media.info, media.source);
  pass_on_wishes();
  if (!rewrite) return;
  const rtp::Bytes out = connection_.reserve();
  if (out.empty()) return;
  const std::size_t size = write(media, *rewrite, *codec, out);
  if (size == 0) return context_.counters.drop(Drop::TooLarge);
  if (!connection_.commit(Outgoing::Media, size)) return;
  if (Downlink* const downlink = measured()) {
    downlink->on_sent(now, size, content(section_.ssrc, rewrite->seq));
  }
  if (sent_log_) {
    sent_log_->on_sent(*rewrite, media.source, media.info, size);
    if (media.info.key_frame && media.source == forwarder_.target()) begin_anew(rewrite->seq);
  }
  context_.counters.media_out.add();
  ++packets_sent_;
  octets_sent_ += media.info.payload_size;
  const Shown shown{track_->number(), media.source.encoding, rewrite->limit.spatial};
  if (shown_ != shown) note_shown(now, media, shown);
}

std::size_t Subscription::write(const MediaPacket& media, const rtp::Rewrite& rewrite,
                                const CodecParams& codec, rtp::Bytes out) {
  if (redundancy_ > 0) return write_with_redundancy(media, rewrite, codec, out);
  return write_forwarded(media, rewrite, header(section_.ssrc, codec.pt), out);
}

// With the frames right before it, as far as they are there, are this slot's and are young enough
// to be played yet; a packet that stands alone is sent as it is.
std::size_t Subscription::write_with_redundancy(const MediaPacket& media,
                                                const rtp::Rewrite& rewrite,
                                                const CodecParams& codec, rtp::Bytes out) {
  std::array<rtp::RedBlock, rtp::RedundancyControl::kMaxFrames> blocks;
  std::size_t first = blocks.size();
  std::size_t size = media.info.payload_size;
  rtp::ExtSeq seq = media.info.seq;
  rtp::RtpTimestamp behind = media.info.timestamp;
  while (codec.red_pt && blocks.size() - first < redundancy_) {
    if (--seq.value < forwarder_.first_in().value) break;
    const auto kept = track_->stored(media.source.encoding, seq);
    if (!kept || kept->info.codec != media.info.codec) break;
    const rtp::ConstBytes data = kept->packet.payload();
    size += data.size();
    const std::uint32_t step = behind.value - kept->info.timestamp.value;
    if (step == 0 || step > kLongestFrame || data.size() > rtp::kMaxRedBlockSize) break;
    if (size > kMaxRedundantSize) break;
    behind = kept->info.timestamp;
    blocks[--first] = {codec.pt, media.info.timestamp.value - behind.value, data, false};
  }
  const std::span<const rtp::RedBlock> redundant = std::span(blocks).subspan(first);
  if (redundant.empty()) {
    return write_forwarded(media, rewrite, header(section_.ssrc, codec.pt), out);
  }
  context_.counters.red_out.add();
  return write_redundant(media, rewrite, header(section_.ssrc, *codec.red_pt), redundant, codec.pt,
                         out);
}

void Subscription::on_loss(rtp::Time now, double share) noexcept {
  if (section_.kind == rtp::MediaKind::Audio) redundancy_control_.on_loss(now, share);
}

std::size_t Subscription::redundancy_wanted() const noexcept {
  if (section_.kind != rtp::MediaKind::Audio) return 0;
  const bool negotiated = std::any_of(section_.codecs.begin(), section_.codecs.end(),
                                      [](const CodecParams& codec) { return codec.red_pt; });
  return negotiated && track_ != nullptr ? redundancy_control_.frames() : 0;
}

void Subscription::set_redundancy(std::size_t frames) {
  const auto count = static_cast<std::uint8_t>(frames);
  if (std::exchange(redundancy_, count) != count && track_ != nullptr) {
    track_->on_redundancy_changed();
  }
}

// Until the publisher changes his codec. What comes then begins with a key frame and the next
// number, as after a change of source, and is told.
void Subscription::drop_undecodable(const MediaPacket& media) noexcept {
  context_.counters.drop(Drop::NoCodec);
  if (forwarder_.pause_undecodable(media.info, media.source)) shown_.reset();
}

void Subscription::note_shown(rtp::Time now, const MediaPacket& media, Shown shown) {
  const bool other_track = !shown_ || shown_->track != shown.track;
  if (other_track) next_report_ = now;
  shown_ = shown;
  std::uint32_t height = track_->height(shown.encoding, shown.spatial);
  if (height == 0) height = media.info.height;
  if (!other_track && (height == 0 || height == shown_height_)) return;
  shown_height_ = height;
  context_.emit(SlotSwitched{peer_, section_.mid, shown.track, height});
}

void Subscription::on_nack(rtp::Time now, std::span<const rtp::Seq> lost,
                           std::optional<rtp::Duration> rtt) {
  if (!sent_log_) return;
  if (is_given_up()) return context_.counters.drop(Drop::RtxNeedless, lost.size());
  const rtp::SentLog::Counters before = sent_log_->counters();
  std::size_t resends = 0;
  for (const rtp::Seq seq : lost) {
    const auto resend = sent_log_->on_nack(seq, now, rtt);
    if (!resend) continue;
    if (++resends > kMaxResends) break;  // it will ask again
    send_again(now, *resend);
  }
  count_refusals(now, before);
}

void Subscription::on_lost(rtp::Time now, const rtp::PacketResult& packet) {
  if (!sent_log_) return;
  if (is_given_up()) return context_.counters.drop(Drop::RtxNeedless);
  const rtp::SentLog::Counters before = sent_log_->counters();
  const auto resend = sent_log_->on_lost(packet.seq, packet.ssrc == section_.rtx_ssrc);
  if (resend) send_again(now, *resend);
  count_refusals(now, before);
}

void Subscription::count_refusals(rtp::Time now, const rtp::SentLog::Counters& before) {
  const rtp::SentLog::Counters& after = sent_log_->counters();
  if (after.never() != before.never()) on_refused(now);
  context_.counters.drop(Drop::HistoryGone, after.unknown - before.unknown);
  context_.counters.drop(Drop::RtxNeedless, after.needless - before.needless);
  context_.counters.drop(Drop::RtxLimit, after.too_soon - before.too_soon + after.too_often -
                                             before.too_often + after.over_budget -
                                             before.over_budget);
}

// What is asked for again and again does not come: with a key frame the picture goes on without it,
// seconds before a browser asks for one. Into a full queue it would only be more of what is lost.
void Subscription::on_refused(rtp::Time now) {
  if (section_.kind != rtp::MediaKind::Video) return;
  if (!refused_ || now - refused_->last > kRefusalsEnd) refused_ = {now, now};
  refused_->last = now;
  const Downlink* const downlink = connection_.downlink();
  const bool full = downlink != nullptr && downlink->overused();
  const bool waits = forwarder_.paused() || forwarder_.current() != forwarder_.target();
  if (full || waits || now < next_start_ || now - refused_->first < kRefusedLong) return;
  start_wait_ = now - next_start_ > kLongestStartWait
                    ? kStartWait
                    : std::clamp(2 * start_wait_, kStartWait, kLongestStartWait);
  next_start_ = now + start_wait_;
  gives_up_ = true;
  on_key_frame_request();
}

// At a key frame of what is to be shown.
void Subscription::begin_anew(rtp::ExtSeq first) noexcept {
  refused_.reset();
  if (std::exchange(gives_up_, false)) sent_log_->begin_anew(first);
}

void Subscription::send_again(rtp::Time now, const rtp::SentLog::Resend& resend) {
  retransmit(now, resend);
  if (resend.twice) retransmit(now, resend);
}

void Subscription::retransmit(rtp::Time now, const rtp::SentLog::Resend& resend) {
  const auto found = context_.tracks.find(TrackNo{resend.source.track});
  // Of a track that was muted since, or that is not in this slot any more, nothing leaves.
  if (found == context_.tracks.end() || found->second != track_ || track_->muted()) {
    return context_.counters.drop(Drop::HistoryGone);
  }
  const auto kept = track_->stored(resend.source.encoding, resend.source_seq());
  if (!kept) {
    on_refused(now);
    return context_.counters.drop(Drop::HistoryGone);
  }
  const CodecParams* codec = codec_for(kept->codec);
  if (codec == nullptr || !codec->rtx_pt) return context_.counters.drop(Drop::NoCodec);
  const rtp::Bytes out = connection_.reserve();
  if (out.empty()) return;
  const std::size_t size =
      write_retransmission(kept->media(), resend.rewrite(kept->info),
                           header(section_.rtx_ssrc, *codec->rtx_pt), rtx_seq_, out);
  if (size == 0) return context_.counters.drop(Drop::TooLarge);
  if (!connection_.commit(Outgoing::Retransmission, size)) return;
  if (Downlink* const downlink = measured()) {
    downlink->on_sent(now, size, content(section_.rtx_ssrc, resend.seq));
  }
  sent_log_->on_resent(resend.seq, now, size);
  rtx_seq_ = rtp::Seq{static_cast<std::uint16_t>(rtx_seq_.value + 1)};
  context_.counters.rtx_out.add();
}

Downlink* Subscription::measured() const noexcept {
  Downlink* const downlink = connection_.downlink();
  if (downlink == nullptr || !downlink->numbers()) return downlink;
  return section_.extensions.id(rtp::Extension::TransportCc) != 0 ? downlink : nullptr;
}

SlotHeader Subscription::header(rtp::Ssrc ssrc, rtp::PayloadType type) const noexcept {
  SlotHeader header{ssrc, type, section_.mid, section_.extensions};
  const Downlink* const downlink = measured();
  if (downlink != nullptr && downlink->numbers()) header.transport = downlink->next();
  return header;
}

bool Subscription::send_probe(rtp::Time now) {
  Downlink* const downlink = measured();
  const CodecParams* codec = matched_;
  if (codec == nullptr && !section_.codecs.empty()) codec = &section_.codecs.front();
  if (downlink == nullptr || codec == nullptr || !codec->rtx_pt) return false;
  const auto timestamp = forwarder_.timestamp_at(now).value_or(rtp::RtpTimestamp{});
  const rtp::Bytes out = connection_.reserve();
  if (out.empty()) return false;
  const std::size_t size =
      write_probe(header(section_.rtx_ssrc, *codec->rtx_pt), rtx_seq_, timestamp, out);
  if (size == 0 || !connection_.commit(Outgoing::Retransmission, size)) return false;
  downlink->on_sent(now, size, {});  // padding
  rtx_seq_ = rtp::Seq{static_cast<std::uint16_t>(rtx_seq_.value + 1)};
  context_.counters.probes_out.add();
  return true;
}

std::size_t Subscription::bytes() const noexcept {
  return sizeof *this + section_.codecs.capacity() * sizeof(CodecParams) +
         (sent_log_ ? sent_log_->bytes() : 0);
}

void Subscription::on_key_frame_request() {
  forwarder_.request_key_frame();
  pass_on_wishes();
}

void Subscription::on_way_found() {
  forwarder_.request_key_frame(true);
  pass_on_wishes();
}

void Subscription::tick(rtp::Time now) {
  if (track_ == nullptr) return;
  choose_layer(now, want_.max_height);
  pass_on_wishes();
}

std::optional<rtp::SenderInfo> Subscription::take_sender_report(rtp::Time now) {
  if (!shown_ || now < next_report_) return std::nullopt;
  const auto timestamp = forwarder_.timestamp_at(now);
  if (!timestamp) return std::nullopt;
  next_report_ = now + kReportInterval;
  rtp::SenderInfo info;
  info.sender = section_.ssrc;
  info.ntp = rtp::to_ntp(now);
  info.timestamp = *timestamp;
  info.packets_sent = packets_sent_;
  info.octets_sent = static_cast<std::uint32_t>(octets_sent_);  // on the wire it wraps
  return info;
}

}  // namespace parley::server
