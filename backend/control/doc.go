// Package control is the control plane of a running engine: the shape of its
// file tree, the server that shows it over 9P, and the one typed client that the
// command line, the window and the tray share.
//
// Whatever the window can do, a script can do, because both go through these
// files:
//
//	/engine/{status,version,events,log,ctl}
//	/vm/default/{status,stats,console,ctl}
//	/docker/{containers,ctl,logs/NAME}
//	/net/{stats,flows}
//	/net/ports/{list,ctl}
//	/net/capture/{status,ctl,query,pcapng,live}
//	/engine/settings/{list,log,diff,ctl}
//	/pipeline/{query,NAME/{ctl,runs/ID/{status,log}}}
//	/data/…
//
// /data is the data store as package datakit/tree shows it: its branch "settings" is
// the settings, one small file each, and may be changed there like any other branch;
// a commit that the engine cannot use is refused with the reason. What follows holds
// for the other files.
//
// Conventions, the same everywhere:
//
//   - Status files hold one JSON document and a newline; each open reads one
//     consistent snapshot.
//   - ctl files take one line and answer by success or an error number; reading
//     the same open file afterwards gives the answer as one JSON document,
//     {"ok":true,"result":…} or {"ok":false,"code","message","hint"}, so that a
//     script and a person both learn what to do next. Read before anything is
//     written, they list their commands.
//   - query files (query, diff) answer, on the same open file, the JSON question
//     written to it.
//   - live files (events, head.live, live, logs) block until there is news and
//     end when the reader goes away or the engine stops. What is written to one
//     before it is read narrows it down: a display filter for pcapng and live,
//     {"tail":N,"follow":BOOL} for logs, a number of commits for log.
//   - why reading a file failed can be read from the extended attribute
//     user.slipway.error of the open file, as {"code","message","hint"}.
//
// The interfaces below are what a tree needs from an engine. The engine
// implements them; the client implements them again on the other side of the
// socket, so a caller cannot tell whether the engine is in its own process.
package control
