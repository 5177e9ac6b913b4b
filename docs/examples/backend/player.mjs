/**
 * The conference service as this backend sees it, whoever runs it: a dozen things to do and five
 * events. Each service has one module that fits it to this; the rest of the backend knows no names
 * of any of them. A room is whatever the service calls it by; only `create` knows of appointments.
 *
 * @typedef {object} Appointment
 * @property {string} id        the same id gives the same room, however often it is asked for
 * @property {string} seller    whose minutes are used
 * @property {number} startsAtMs
 * @property {number} endsAtMs
 *
 * @typedef {object} Invitation
 * @property {string} seller
 * @property {string} person
 * @property {'host' | 'guest'} role
 * @property {number} startsAtMs
 * @property {number} endsAtMs
 *
 * @typedef {object} PlayerEvent
 * @property {string} id        of the event: the same whenever it is delivered again
 * @property {'joined' | 'left' | 'host_absent' | 'ended' | 'recorded'} type
 * @property {string} room
 * @property {number} atMs
 * @property {string} [person]     of joined and left
 * @property {string[]} [waiting]  of host_absent
 * @property {number} [usedMs]     of ended
 * @property {string} [recording]  of recorded
 *
 * Where a player brings its events, and what it finds there again after a restart.
 * @typedef {object} Inbox
 * @property {() => Promise<object | null>} load  the stored cursor
 * @property {(event: PlayerEvent, cursor: object | null) => Promise<void>} apply
 *   makes the event's effect and stores the cursor, if there is one, together
 * @property {(rooms: string[], cursor: object) => Promise<void>} reset
 *   events were missed for good; these rooms are still there
 *
 * @typedef {object} Player
 * @property {(appointment: Appointment) => Promise<string>} create  the room
 * @property {(room: string, invitation: Invitation) => Promise<string>} invite
 *   a link that this person may open from the beginning until the end
 * @property {(room: string) => Promise<string[]>} present  who is there now
 * @property {(room: string, person: string) => Promise<void>} kick  and keeps him out
 * @property {(room: string, except: string[]) => Promise<void>} muteAll
 * @property {(room: string) => Promise<void>} end
 * @property {(room: string) => Promise<void>} record
 * @property {(recording: string) => Promise<{name: string, url: string}[]>} files
 * @property {(room: string) => Promise<number>} usedMs
 * @property {(inbox: Inbox) => Promise<void>} listen
 * @property {(headers: object, body: Buffer) => Promise<boolean>} posted
 *   a webhook has come; false when it is not the service's
 * @property {() => Promise<void>} close
 */

/**
 * @param {{player: string, module?: string}} settings
 *   'parley', or 'other' with the module that fits the other service to this
 * @returns {Promise<Player>}
 */
export async function openPlayer({player, module, ...settings}) {
  if (player === 'other' && !module) throw new Error('PLAYER=other needs PLAYER_MODULE');
  const {createPlayer} = await import(player === 'other' ? module : './parley-player.mjs');
  return createPlayer(settings);
}
