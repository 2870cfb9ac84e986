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

