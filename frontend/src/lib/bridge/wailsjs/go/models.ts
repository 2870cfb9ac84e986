export namespace app {
	
	export class Link {
	    epoch: number;
	    state: string;
	    message?: string;
	    hint?: string;
	
	    static createFrom(source: any = {}) {
	        return new Link(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.epoch = source["epoch"];
	        this.state = source["state"];
	        this.message = source["message"];
	        this.hint = source["hint"];
	    }
	}
	export class Snapshot {
	    link: Link;
	    events: control.Event[];
	
	    static createFrom(source: any = {}) {
	        return new Snapshot(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.link = this.convertValues(source["link"], Link);
	        this.events = this.convertValues(source["events"], control.Event);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}

}

export namespace capture {
	
	export class Detail {
	    n: number;
	    // Go type: time
	    time: any;
	    dir: string;
	    src: string;
	    dst: string;
	    srcPort: number;
	    dstPort: number;
	    srcName?: string;
	    dstName?: string;
	    proto: string;
	    length: number;
	    info: string;
	    flow: number;
	    layers: packet.Layer[];
	    bytes: number[];
	    truncated: boolean;
	
	    static createFrom(source: any = {}) {
	        return new Detail(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.n = source["n"];
	        this.time = this.convertValues(source["time"], null);
	        this.dir = source["dir"];
	        this.src = source["src"];
	        this.dst = source["dst"];
	        this.srcPort = source["srcPort"];
	        this.dstPort = source["dstPort"];
	        this.srcName = source["srcName"];
	        this.dstName = source["dstName"];
	        this.proto = source["proto"];
	        this.length = source["length"];
	        this.info = source["info"];
	        this.flow = source["flow"];
	        this.layers = this.convertValues(source["layers"], packet.Layer);
	        this.bytes = source["bytes"];
	        this.truncated = source["truncated"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class Row {
	    n: number;
	    // Go type: time
	    time: any;
	    dir: string;
	    src: string;
	    dst: string;
	    srcPort: number;
	    dstPort: number;
	    srcName?: string;
	    dstName?: string;
	    proto: string;
	    length: number;
	    info: string;
	    flow: number;
	
	    static createFrom(source: any = {}) {
	        return new Row(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.n = source["n"];
	        this.time = this.convertValues(source["time"], null);
	        this.dir = source["dir"];
	        this.src = source["src"];
	        this.dst = source["dst"];
	        this.srcPort = source["srcPort"];
	        this.dstPort = source["dstPort"];
	        this.srcName = source["srcName"];
	        this.dstName = source["dstName"];
	        this.proto = source["proto"];
	        this.length = source["length"];
	        this.info = source["info"];
	        this.flow = source["flow"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class Page {
	    rows: Row[];
	    first: number;
	    last: number;
	    next: number;
	    examined: number;
	    more: boolean;
	    dropped: number;
	
	    static createFrom(source: any = {}) {
	        return new Page(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.rows = this.convertValues(source["rows"], Row);
	        this.first = source["first"];
	        this.last = source["last"];
	        this.next = source["next"];
	        this.examined = source["examined"];
	        this.more = source["more"];
	        this.dropped = source["dropped"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class Query {
	    filter?: string;
	    flow?: number;
	    after?: number;
	    before?: number;
	    tail?: boolean;
	    limit?: number;
	
	    static createFrom(source: any = {}) {
	        return new Query(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.filter = source["filter"];
	        this.flow = source["flow"];
	        this.after = source["after"];
	        this.before = source["before"];
	        this.tail = source["tail"];
	        this.limit = source["limit"];
	    }
	}

}

export namespace control {
	
	export class Event {
	    seq: number;
	    topic: string;
	    data: number[];
	
	    static createFrom(source: any = {}) {
	        return new Event(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.seq = source["seq"];
	        this.topic = source["topic"];
	        this.data = source["data"];
	    }
	}
	export class Port {
	    id: string;
	    proto: string;
	    hostIp: string;
	    hostPort: number;
	    targetIp: string;
	    targetPort: number;
	    target: string;
	    origin: string;
	    state: string;
	    message?: string;
	    hint?: string;
	    url?: string;
	    connections: number;
	    bytesIn: number;
	    bytesOut: number;
	
	    static createFrom(source: any = {}) {
	        return new Port(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.proto = source["proto"];
	        this.hostIp = source["hostIp"];
	        this.hostPort = source["hostPort"];
	        this.targetIp = source["targetIp"];
	        this.targetPort = source["targetPort"];
	        this.target = source["target"];
	        this.origin = source["origin"];
	        this.state = source["state"];
	        this.message = source["message"];
	        this.hint = source["hint"];
	        this.url = source["url"];
	        this.connections = source["connections"];
	        this.bytesIn = source["bytesIn"];
	        this.bytesOut = source["bytesOut"];
	    }
	}
	export class PortRequest {
	    proto: string;
	    hostIp: string;
	    hostPort: number;
	    target: string;
	
	    static createFrom(source: any = {}) {
	        return new PortRequest(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.proto = source["proto"];
	        this.hostIp = source["hostIp"];
	        this.hostPort = source["hostPort"];
	        this.target = source["target"];
	    }
	}
	export class Setting {
	    key: string;
	    title: string;
	    help: string;
	    kind: string;
	    unit?: string;
	    value: string;
	    default: string;
	    isDefault: boolean;
	    min?: number;
	    max?: number;
	    choices?: string[];
	    applies: string;
	    // Go type: time
	    changedAt: any;
	    changedBy?: string;
	
	    static createFrom(source: any = {}) {
	        return new Setting(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.key = source["key"];
	        this.title = source["title"];
	        this.help = source["help"];
	        this.kind = source["kind"];
	        this.unit = source["unit"];
	        this.value = source["value"];
	        this.default = source["default"];
	        this.isDefault = source["isDefault"];
	        this.min = source["min"];
	        this.max = source["max"];
	        this.choices = source["choices"];
	        this.applies = source["applies"];
	        this.changedAt = this.convertValues(source["changedAt"], null);
	        this.changedBy = source["changedBy"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class SettingChange {
	    key: string;
	    kind: string;
	
	    static createFrom(source: any = {}) {
	        return new SettingChange(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.key = source["key"];
	        this.kind = source["kind"];
	    }
	}
	export class SettingDiff {
	    key: string;
	    kind: string;
	    old: string;
	    new: string;
	    unified: string;
	
	    static createFrom(source: any = {}) {
	        return new SettingDiff(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.key = source["key"];
	        this.kind = source["kind"];
	        this.old = source["old"];
	        this.new = source["new"];
	        this.unified = source["unified"];
	    }
	}
	export class SettingsChange {
	    values: Record<string, string>;
	    message?: string;
	
	    static createFrom(source: any = {}) {
	        return new SettingsChange(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.values = source["values"];
	        this.message = source["message"];
	    }
	}
	export class SettingsCommit {
	    hash: string;
	    parent?: string;
	    author: string;
	    // Go type: time
	    time: any;
	    message: string;
	    changes: SettingChange[];
	
	    static createFrom(source: any = {}) {
	        return new SettingsCommit(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.hash = source["hash"];
	        this.parent = source["parent"];
	        this.author = source["author"];
	        this.time = this.convertValues(source["time"], null);
	        this.message = source["message"];
	        this.changes = this.convertValues(source["changes"], SettingChange);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}

}

export namespace datakit {
	
	export class Change {
	    path: string;
	    kind: string;
	    old: number[];
	    new: number[];
	
	    static createFrom(source: any = {}) {
	        return new Change(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.path = source["path"];
	        this.kind = source["kind"];
	        this.old = source["old"];
	        this.new = source["new"];
	    }
	}
	export class Commit {
	    hash: number[];
	    tree: number[];
	    parents: number[][];
	    author: string;
	    email: string;
	    // Go type: time
	    time: any;
	    message: string;
	    changes: Change[];
	    truncated?: boolean;
	
	    static createFrom(source: any = {}) {
	        return new Commit(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.hash = source["hash"];
	        this.tree = source["tree"];
	        this.parents = source["parents"];
	        this.author = source["author"];
	        this.email = source["email"];
	        this.time = this.convertValues(source["time"], null);
	        this.message = source["message"];
	        this.changes = this.convertValues(source["changes"], Change);
	        this.truncated = source["truncated"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class FileDiff {
	    path: string;
	    kind: string;
	    from?: string;
	    old: string;
	    new: string;
	    unified: string;
	    binary?: boolean;
	    cut?: boolean;
	
	    static createFrom(source: any = {}) {
	        return new FileDiff(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.path = source["path"];
	        this.kind = source["kind"];
	        this.from = source["from"];
	        this.old = source["old"];
	        this.new = source["new"];
	        this.unified = source["unified"];
	        this.binary = source["binary"];
	        this.cut = source["cut"];
	    }
	}
	export class Stats {
	    commits: number;
	    syncs: number;
	    journal: number;
	    pending: number;
	    flushes: number;
	    checkpoints: number;
	    packs: number;
	    packings: number;
	    cacheBytes: number;
	    cacheHits: number;
	    cacheMisses: number;
	    lastProblem: string;
	
	    static createFrom(source: any = {}) {
	        return new Stats(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.commits = source["commits"];
	        this.syncs = source["syncs"];
	        this.journal = source["journal"];
	        this.pending = source["pending"];
	        this.flushes = source["flushes"];
	        this.checkpoints = source["checkpoints"];
	        this.packs = source["packs"];
	        this.packings = source["packings"];
	        this.cacheBytes = source["cacheBytes"];
	        this.cacheHits = source["cacheHits"];
	        this.cacheMisses = source["cacheMisses"];
	        this.lastProblem = source["lastProblem"];
	    }
	}

}

export namespace packet {
	
	export class Field {
	    name: string;
	    label: string;
	    value: string;
	    start: number;
	    end: number;
	    fields?: Field[];
	
	    static createFrom(source: any = {}) {
	        return new Field(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.name = source["name"];
	        this.label = source["label"];
	        this.value = source["value"];
	        this.start = source["start"];
	        this.end = source["end"];
	        this.fields = this.convertValues(source["fields"], Field);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class Layer {
	    name: string;
	    summary: string;
	    start: number;
	    end: number;
	    fields: Field[];
	
	    static createFrom(source: any = {}) {
	        return new Layer(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.name = source["name"];
	        this.summary = source["summary"];
	        this.start = source["start"];
	        this.end = source["end"];
	        this.fields = this.convertValues(source["fields"], Field);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}

}

export namespace pipeline {
	
	export class Step {
	    name: string;
	    status: string;
	    // Go type: time
	    started: any;
	    // Go type: time
	    ended: any;
	
	    static createFrom(source: any = {}) {
	        return new Step(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.name = source["name"];
	        this.status = source["status"];
	        this.started = this.convertValues(source["started"], null);
	        this.ended = this.convertValues(source["ended"], null);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class Run {
	    id: string;
	    pipeline: string;
	    number: number;
	    resultBranch: string;
	    result: string;
	    source: string;
	    sourceBranch?: string;
	    subject: string;
	    author: string;
	    trigger: string;
	    status: string;
	    message: string;
	    // Go type: time
	    started: any;
	    // Go type: time
	    ended: any;
	    steps: Step[];
	    offers: string[];
	    artefacts: number;
	    logBytes: number;
	    runner?: string;
	
	    static createFrom(source: any = {}) {
	        return new Run(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.id = source["id"];
	        this.pipeline = source["pipeline"];
	        this.number = source["number"];
	        this.resultBranch = source["resultBranch"];
	        this.result = source["result"];
	        this.source = source["source"];
	        this.sourceBranch = source["sourceBranch"];
	        this.subject = source["subject"];
	        this.author = source["author"];
	        this.trigger = source["trigger"];
	        this.status = source["status"];
	        this.message = source["message"];
	        this.started = this.convertValues(source["started"], null);
	        this.ended = this.convertValues(source["ended"], null);
	        this.steps = this.convertValues(source["steps"], Step);
	        this.offers = source["offers"];
	        this.artefacts = source["artefacts"];
	        this.logBytes = source["logBytes"];
	        this.runner = source["runner"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}

}

export namespace query {
	
	export class Branch {
	    name: string;
	    head: number[];
	    author: string;
	    // Go type: time
	    time: any;
	    subject: string;
	    access: string;
	
	    static createFrom(source: any = {}) {
	        return new Branch(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.name = source["name"];
	        this.head = source["head"];
	        this.author = source["author"];
	        this.time = this.convertValues(source["time"], null);
	        this.subject = source["subject"];
	        this.access = source["access"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class ConflictQuestion {
	    branch: string;
	    transaction: string;
	    path: string;
	
	    static createFrom(source: any = {}) {
	        return new ConflictQuestion(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.branch = source["branch"];
	        this.transaction = source["transaction"];
	        this.path = source["path"];
	    }
	}
	export class Content {
	    text: string;
	    size: number;
	    binary?: boolean;
	    cut?: boolean;
	
	    static createFrom(source: any = {}) {
	        return new Content(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.text = source["text"];
	        this.size = source["size"];
	        this.binary = source["binary"];
	        this.cut = source["cut"];
	    }
	}
	export class DiffQuestion {
	    from?: string;
	    to: string;
	    path?: string;
	
	    static createFrom(source: any = {}) {
	        return new DiffQuestion(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.from = source["from"];
	        this.to = source["to"];
	        this.path = source["path"];
	    }
	}
	export class LogPage {
	    commits: datakit.Commit[];
	    next?: string;
	
	    static createFrom(source: any = {}) {
	        return new LogPage(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.commits = this.convertValues(source["commits"], datakit.Commit);
	        this.next = source["next"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class LogQuestion {
	    branch?: string;
	    from?: string;
	    path?: string;
	    limit?: number;
	
	    static createFrom(source: any = {}) {
	        return new LogQuestion(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.branch = source["branch"];
	        this.from = source["from"];
	        this.path = source["path"];
	        this.limit = source["limit"];
	    }
	}
	export class Owner {
	    user: string;
	    uid: number;
	    pid?: number;
	    program?: string;
	    address?: string;
	
	    static createFrom(source: any = {}) {
	        return new Owner(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.user = source["user"];
	        this.uid = source["uid"];
	        this.pid = source["pid"];
	        this.program = source["program"];
	        this.address = source["address"];
	    }
	}
	export class Place {
	    commit: string;
	    path?: string;
	
	    static createFrom(source: any = {}) {
	        return new Place(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.commit = source["commit"];
	        this.path = source["path"];
	    }
	}
	export class Sides {
	    base?: Content;
	    ours?: Content;
	    theirs?: Content;
	    now?: Content;
	    reason: string;
	
	    static createFrom(source: any = {}) {
	        return new Sides(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.base = this.convertValues(source["base"], Content);
	        this.ours = this.convertValues(source["ours"], Content);
	        this.theirs = this.convertValues(source["theirs"], Content);
	        this.now = this.convertValues(source["now"], Content);
	        this.reason = source["reason"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class Stats {
	    store: datakit.Stats;
	    transactions: number;
	    watchers: number;
	    sessions: number;
	    commits: number;
	    refused: number;
	    expired: number;
	
	    static createFrom(source: any = {}) {
	        return new Stats(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.store = this.convertValues(source["store"], datakit.Stats);
	        this.transactions = source["transactions"];
	        this.watchers = source["watchers"];
	        this.sessions = source["sessions"];
	        this.commits = source["commits"];
	        this.refused = source["refused"];
	        this.expired = source["expired"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class Transaction {
	    branch: string;
	    name: string;
	    owner: Owner;
	    // Go type: time
	    began: any;
	    base: number[];
	    message?: string;
	    changes: number;
	    conflicts: string[];
	    // Go type: time
	    expires: any;
	
	    static createFrom(source: any = {}) {
	        return new Transaction(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.branch = source["branch"];
	        this.name = source["name"];
	        this.owner = this.convertValues(source["owner"], Owner);
	        this.began = this.convertValues(source["began"], null);
	        this.base = source["base"];
	        this.message = source["message"];
	        this.changes = source["changes"];
	        this.conflicts = source["conflicts"];
	        this.expires = this.convertValues(source["expires"], null);
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}
	export class TreeEntry {
	    name: string;
	    kind: string;
	    hash: number[];
	    size: number;
	
	    static createFrom(source: any = {}) {
	        return new TreeEntry(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.name = source["name"];
	        this.kind = source["kind"];
	        this.hash = source["hash"];
	        this.size = source["size"];
	    }
	}
	export class Watcher {
	    branch: string;
	    path: string;
	    kind: string;
	    owner: Owner;
	    // Go type: time
	    began: any;
	    events: number;
	
	    static createFrom(source: any = {}) {
	        return new Watcher(source);
	    }
	
	    constructor(source: any = {}) {
	        if ('string' === typeof source) source = JSON.parse(source);
	        this.branch = source["branch"];
	        this.path = source["path"];
	        this.kind = source["kind"];
	        this.owner = this.convertValues(source["owner"], Owner);
	        this.began = this.convertValues(source["began"], null);
	        this.events = source["events"];
	    }
	
		convertValues(a: any, classs: any, asMap: boolean = false): any {
		    if (!a) {
		        return a;
		    }
		    if (a.slice && a.map) {
		        return (a as any[]).map(elem => this.convertValues(elem, classs));
		    } else if ("object" === typeof a) {
		        if (asMap) {
		            for (const key of Object.keys(a)) {
		                a[key] = new classs(a[key]);
		            }
		            return a;
		        }
		        return new classs(a);
		    }
		    return a;
		}
	}

}

