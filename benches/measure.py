#!/usr/bin/env python3
"""Measures a collector listening on the usual ports, inside its own network namespace (loopback only).

  measure.py statsd  --cmd 'otelcol161 --config cfg/statsd.yaml' [--per 1 20] [--rates 10000 20000 ...] [--reps 3] [--dur 8]
  measure.py otlp    --cmd 'otelcol161 --config cfg/otlp-otlp.yaml' --signal traces [--items 100 1000] [--reps 5] [--dur 8] [--sink]
  measure.py scrape  --cmd 'otelcol161 --config cfg/scrape.yaml' [--series 1000 10000 100000]
  measure.py idle    --cmd 'otelcol161 --config guide-latest.yaml' [--secs 60] [--url http://127.0.0.1:8889/metrics]
  measure.py startup --cmd '...' --url ... [--reps 7]
  measure.py ami     --cmd '...' --sink '...' [--made-of metrics] [--rate 5000] [--dur 20] [--settle 6] [--scrape]
  measure.py ami_open --cmd '...' --sink '...' [--made-of metrics] [--calls 20000] [--settle 6]

CPU seconds are utime+stime of the collector's process from /proc/PID/stat (10 ms ticks). RSS is VmRSS / VmHWM.
For ami it is the time of all its threads in nanoseconds, /proc/PID/task/*/schedstat, from the first event to `settle` seconds after
the last, so that what is sent every few seconds has been sent.
Ports: AMI 5038 (measure.py listens), statsd 8125/udp, OTLP/gRPC 4317, prometheus exporter 8889, sink 14317 (stats 14318).
Run peers/build.sh first. Each result is printed and appended as a JSON line to $PEERS_HOME/results/<name>.jsonl (--name).
Another collector: give its command line as --cmd; it must listen on the same ports. PEERS_NS=none: no namespace (needs no root).
"""
import argparse,glob,json,os,re,shlex,signal,socket,statistics,subprocess,sys,time,urllib.request
import manager
HERE=os.path.dirname(os.path.abspath(__file__)); HOME=os.environ.get('PEERS_HOME') or os.path.expanduser('~/.cache/otelcol-asterisk-peers'); os.makedirs(HOME+'/logs',exist_ok=True); os.makedirs(HOME+'/results',exist_ok=True); NS=os.environ.get('PEERS_NS','peers')
if os.environ.get('PEERS_IN_NS')!='1' and NS!='none':
    subprocess.run(f"ip netns list | grep -qw {NS} || ip netns add {NS}; ip netns exec {NS} ip link set lo up",shell=True,check=True)
    os.environ['PEERS_IN_NS']='1'
    os.execvp('ip',['ip','netns','exec',NS,sys.executable,os.path.abspath(__file__)]+sys.argv[1:])
TCK=os.sysconf('SC_CLK_TCK'); procs=[]; NICE=os.environ.get('PEERS_NICE','-10')  # collector, sink and generator alike, against the neighbours' builds
def cpu(pid):
    f=open(f'/proc/{pid}/stat').read().rsplit(')',1)[1].split(); return (int(f[11])+int(f[12]))/TCK
def mem(pid):
    s=open(f'/proc/{pid}/status').read()
    g=lambda k:int(re.search(k+r':\s+(\d+)',s).group(1))/1024
    return dict(rss_mib=round(g('VmRSS'),1),hwm_mib=round(g('VmHWM'),1),threads=int(re.search(r'Threads:\s+(\d+)',s).group(1)))
def start(cmd,log='collector.log'):
    p=subprocess.Popen(['nice','-n',NICE]+shlex.split(os.path.expanduser(cmd)),cwd=HERE,stdout=open(f'{HOME}/logs/{log}','w'),stderr=subprocess.STDOUT,start_new_session=True); procs.append(p); return p
def stop(p):
    if p.poll() is None:
        p.terminate()
        try: p.wait(8)
        except subprocess.TimeoutExpired: p.kill(); p.wait()
def get(url,timeout=30,headers={}):
    with urllib.request.urlopen(urllib.request.Request(url,headers=headers),timeout=timeout) as r: return r.read()
def wait_tcp(port,t=20):
    e=time.time()+t
    while time.time()<e:
        try: socket.create_connection(('127.0.0.1',port),0.5).close(); return
        except OSError: time.sleep(0.02)
    raise SystemExit(f'port {port} did not open; see logs/')
def load(*a): return json.loads(subprocess.run(['nice','-n',NICE,f'{HOME}/bin/{a[0]}',*map(str,a[1:])],capture_output=True,text=True,check=True).stdout)
def out(name,d):
    d=dict(t=time.strftime('%H:%M:%S'),loadavg1=os.getloadavg()[0],**d); print(json.dumps(d),flush=True)
    with open(f'{HOME}/results/{name}.jsonl','a') as f: f.write(json.dumps(d)+'\n')
def csum(prefix='lg'):
    t=get('http://127.0.0.1:8889/metrics').decode(); s=0.0
    for l in t.splitlines():
        if l.startswith('#') or f'{prefix}_c' not in l.split('{')[0]: continue
        s+=float(re.sub(r'^[^{ ]+(\{.*\})? ','',l).split()[0])
    return s
def udpdrops(port=8125):
    d=0
    for fn in ('/proc/net/udp','/proc/net/udp6'):
        for l in open(fn).readlines()[1:]:
            f=l.split()
            if int(f[1].split(':')[1],16)==port: d+=int(f[-1])
    return d
def statsd(a):
    for per in a.per:
        for rate in a.rates:
            for rep in range(a.reps):
                p=start(a.cmd); wait_tcp(8889); time.sleep(0.5)
                load('statsdload','--per-packet',per,'--rate',200,'--duration','1s','--prefix','warm'); time.sleep(2.5)
                s0=csum(); d0=udpdrops(); c0=cpu(p.pid); t0=time.time()
                r=load('statsdload','--per-packet',per,'--rate',rate,'--duration',f'{a.dur}s','--prefix',a.prefix)
                time.sleep(0.2); c1=cpu(p.pid)
                want=r['counter_sum_sent']; got=0; e=time.time()+a.settle
                while time.time()<e:
                    got=csum()-s0
                    if got>=want: break
                    time.sleep(0.25)
                cpus=c1-c0; frac=got/want if want else 0; m=r['metrics_sent']*frac
                out(a.name,dict(test='statsd',per_packet=per,rate_asked=rate,rep=rep,packets_s=round(r['packets_per_s']),metrics_s=round(r['metrics_per_s']),packets_sent=r['packets_sent'],metrics_sent=r['metrics_sent'],pkt_bytes=r['avg_packet_bytes'],
                  send_errors=r['send_errors'],counter_sent=want,counter_seen=got,loss_pct=round(100*(1-frac),4),kernel_drops=udpdrops()-d0,cpu_s=round(cpus,2),
                  cpu_s_per_M_received=round(cpus/m*1e6,3) if m else None,received_metrics_s=round(m/r['seconds']),**mem(p.pid)))
                stop(p)
def otlp(a):
    for items in a.items:
        for rep in range(a.reps):
            if a.sink: k=start(HOME+'/bin/otlpsink','sink.log'); wait_tcp(14317)
            p=start(a.cmd); wait_tcp(4317); time.sleep(0.7)
            load('otlpload','--signal',a.signal,'--items',items,'--duration','1s','--conns',a.conns,'--inflight',a.inflight)  # warm-up
            time.sleep(1); key={'traces':'spans','logs':'logs','metrics':'points'}[a.signal]
            s0=json.loads(get('http://127.0.0.1:14318/'))[key] if a.sink else 0
            c0=cpu(p.pid)
            ex=['--rate',a.rate] if a.rate else []
            r=load('otlpload','--signal',a.signal,'--items',items,'--duration',f'{a.dur}s','--conns',a.conns,'--inflight',a.inflight,*ex)
            m1=mem(p.pid); sent=r['items_ok']; got=None; t0=time.time(); e=t0+15; drain=None
            if a.sink:
                last=-1
                while time.time()<e:
                    got=json.loads(get('http://127.0.0.1:14318/'))[key]-s0
                    if got>=sent: drain=time.time()-t0; break
                    time.sleep(0.05)
            else: time.sleep(0.6)
            cpus=cpu(p.pid)-c0
            out(a.name,dict(test='otlp',signal=a.signal,sink=a.sink,items_per_req=items,rep=rep,items_s=round(r['items_per_s']),sent=sent,failed_reqs=r['requests_failed'],partial=r['requests_partial'],at_sink=got,drain_s=drain and round(drain,2),through_items_s=drain and round(got/(r['seconds']+drain)),
               lost=None if got is None else sent-got,req_bytes=r['avg_request_bytes'],cpu_s=round(cpus,2),cpu_s_per_M=round(cpus/(got or sent)*1e6,3),cores_used=round(cpus/r['seconds'],2),**m1,errors=r.get('errors')))
            stop(p)
            if a.sink: stop(k)
def scrape(a):
    for n in a.series:
        p=start(a.cmd); wait_tcp(4317); wait_tcp(8889); time.sleep(0.5); base=mem(p.pid)
        items=min(n,1000); c0=cpu(p.pid)
        r=load('otlpload','--signal','metrics','--series',n,'--items',items,'--requests',n//items,'--conns',1,'--inflight',1)
        want=n; e=time.time()+20
        while time.time()<e:
            b=get('http://127.0.0.1:8889/metrics',60); c=sum(1 for l in b.split(b'\n') if b'asterisk_load_m' in l and not l.startswith(b'#'))
            if c>=want: break
            time.sleep(0.3)
        loadcpu=cpu(p.pid)-c0
        for enc in ('identity','gzip'):
            ts=[];cs=[];sz=0
            for i in range(a.reps):
                c0=cpu(p.pid); t=time.perf_counter(); b=get('http://127.0.0.1:8889/metrics',60,{'Accept-Encoding':enc}); ts.append(time.perf_counter()-t); time.sleep(0.05); cs.append(cpu(p.pid)-c0); sz=len(b)
            out(a.name,dict(test='scrape',series=n,series_seen=c,encoding=enc,reps=a.reps,bytes=sz,ms_min=round(min(ts)*1e3,2),ms_median=round(statistics.median(ts)*1e3,2),cpu_ms_mean=round(sum(cs)/len(cs)*1e3,2),load_cpu_s=round(loadcpu,2),rss_before_mib=base['rss_mib'],**mem(p.pid)))
        stop(p)
def startup_once(a):
    t=time.perf_counter(); p=start(a.cmd)
    while True:
        try:
            if a.tcp: socket.create_connection(('127.0.0.1',a.tcp),1).close()
            else: get(a.url,2)
            break
        except Exception:
            if p.poll() is not None: raise SystemExit('collector exited; see logs/collector.log')
            if time.perf_counter()-t>60: stop(p); raise SystemExit('no answer in 60 s')
            time.sleep(0.002)
    return p,time.perf_counter()-t
def startup(a):
    ts=[];cs=[]
    for i in range(a.reps):
        p,dt=startup_once(a); ts.append(dt); cs.append(cpu(p.pid)); stop(p)
    b=shlex.split(a.cmd)[0]; b=b if os.path.isabs(b) else os.path.join(HERE,b)
    out(a.name,dict(test='startup',reps=a.reps,ms_min=round(min(ts)*1e3,1),ms_median=round(statistics.median(ts)*1e3,1),cpu_s_median=statistics.median(cs),binary_bytes=os.path.getsize(b)))
def nanos(pid):
    return sum(int(open(f'{f}/schedstat').read().split()[0]) for f in glob.glob(f'/proc/{pid}/task/*'))
def beside_manager(a):
    k=start(a.sink,'sink.log'); wait_tcp(4317); asterisk=manager.Manager(5038); p=start(a.cmd)
    if not asterisk.logged_in.wait(20): raise SystemExit('nobody logged in; see logs/collector.log')
    time.sleep(3); return k,asterisk,p
def page(name): return sum(float(l.rsplit(' ',1)[1]) for l in get('http://127.0.0.1:8889/metrics').decode().splitlines() if l.split('{')[0]==name)
def ami(a):
    events=manager.recorded(a.capture); rounds=max(1,round(a.rate*a.dur/len(events))); told=[e for n in range(rounds) for e in manager.again(events,n)]
    k,asterisk,p=beside_manager(a); c0=nanos(p.pid); dt=asterisk.tell(told,a.rate); unread=asterisk.unread(); time.sleep(a.settle); c=nanos(p.pid)-c0
    calls=page('asterisk_calls_total') if a.scrape else None
    out(a.name,dict(test='ami',made_of=a.made_of,events=len(told),event_bytes=round(sum(map(len,told))/len(told)),rate_asked=a.rate,events_s=round(len(told)/dt),unread_bytes=unread,calls=calls,calls_told=200*rounds,
      cpu_us_per_event=round(c/1e3/len(told),3),**mem(p.pid)))
    stop(p); stop(k)
def ami_open(a):
    call=manager.up(manager.recorded(a.capture)); k,asterisk,p=beside_manager(a); base=mem(p.pid)
    for n in range(a.calls): asterisk.tell(manager.bridged_apart(manager.again(call,n),n),a.rate)
    time.sleep(a.settle)
    out(a.name,dict(test='ami_open',made_of=a.made_of,calls=a.calls,calls_seen=page('asterisk_calls_active'),channels_seen=page('asterisk_channels_count'),bridges_seen=page('asterisk_bridges_count'),rss_before_mib=base['rss_mib'],**mem(p.pid)))
    stop(p); stop(k)
def idle(a):
    for rep in range(a.reps):
        p,dt=startup_once(a); time.sleep(5); c0=cpu(p.pid); m0=mem(p.pid); time.sleep(a.secs); c=cpu(p.pid)-c0
        out(a.name,dict(test='idle',startup_ms=round(dt*1e3,1),secs=a.secs,cpu_s=round(c,2),rss_at_5s=m0['rss_mib'],**mem(p.pid))); stop(p)
ap=argparse.ArgumentParser(description=__doc__,formatter_class=argparse.RawDescriptionHelpFormatter); sp=ap.add_subparsers(required=True)
def cmd(n,f):
    s=sp.add_parser(n,description=__doc__,formatter_class=argparse.RawDescriptionHelpFormatter); s.set_defaults(f=f,name=n); s.add_argument('--cmd',required=True); s.add_argument('--name',default=n); return s
s=cmd('statsd',statsd); s.add_argument('--per',type=int,nargs='+',default=[1,20]); s.add_argument('--rates',type=float,nargs='+',default=[5000,10000,20000,40000,80000]); s.add_argument('--reps',type=int,default=1); s.add_argument('--dur',type=float,default=8); s.add_argument('--settle',type=float,default=7); s.add_argument('--prefix',default='lg',help='metric name prefix; must end in lg')
s=cmd('otlp',otlp); s.add_argument('--signal',default='traces'); s.add_argument('--items',type=int,nargs='+',default=[100,1000]); s.add_argument('--reps',type=int,default=5); s.add_argument('--dur',type=float,default=8); s.add_argument('--sink',action='store_true'); s.add_argument('--conns',type=int,default=4); s.add_argument('--inflight',type=int,default=2); s.add_argument('--rate',type=float,default=0,help='requests/s')
s=cmd('scrape',scrape); s.add_argument('--series',type=int,nargs='+',default=[1000,10000,100000]); s.add_argument('--reps',type=int,default=10)
s=cmd('idle',idle); s.add_argument('--tcp',type=int,default=0,help='ready when this TCP port accepts, instead of --url'); s.add_argument('--secs',type=float,default=60); s.add_argument('--url',default='http://127.0.0.1:8889/metrics'); s.add_argument('--reps',type=int,default=1)
s=cmd('startup',startup); s.add_argument('--tcp',type=int,default=0); s.add_argument('--url',default='http://127.0.0.1:8889/metrics'); s.add_argument('--reps',type=int,default=7)
CAPTURES=HERE+'/../receivers/src/ami/testdata/captures/asterisk22/'
s=cmd('ami',ami); s.add_argument('--made-of',default='metrics',help='a label for the result'); s.add_argument('--rate',type=float,default=5000); s.add_argument('--dur',type=float,default=20); s.add_argument('--settle',type=float,default=6); s.add_argument('--scrape',action='store_true',help='--cmd serves what it counts'); s.add_argument('--sink',required=True,help='the command of what listens on port 4317'); s.add_argument('--capture',default=CAPTURES+'load_200_calls.jsonl.gz')
s=cmd('ami_open',ami_open); s.add_argument('--made-of',default='metrics',help='a label for the result'); s.add_argument('--calls',type=int,default=20000); s.add_argument('--rate',type=float,default=50000); s.add_argument('--settle',type=float,default=6); s.add_argument('--sink',required=True,help='the command of what listens on port 4317'); s.add_argument('--capture',default=CAPTURES+'dial_answered.jsonl.gz')
a=ap.parse_args(); signal.signal(signal.SIGTERM,lambda *_: sys.exit(1))
try: a.f(a)
finally:
    for p in procs: stop(p)
