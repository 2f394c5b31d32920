import ast,sys,re
from pathlib import Path
R=Path('/work/wt-messages')
def off(lines,l,c): return sum(len(x) for x in lines[:l-1])+len(lines[l-1].encode()[:c].decode())
def kind(v):
    """'M' message-ish, 'E' empty, '?' other"""
    if isinstance(v,ast.Call) and isinstance(v.func,ast.Name) and v.func.id in('Message','joined','listed','plural'): return {'M'}
    if isinstance(v,ast.Constant) and v.value=="": return {'E'}
    if isinstance(v,ast.Constant) and v.value is None: return {'N'}
    if isinstance(v,ast.IfExp): return kind(v.body)|kind(v.orelse)
    if isinstance(v,ast.BoolOp): return set().union(*map(kind,v.values))
    return {'?'}
def empties(v):
    if isinstance(v,ast.Constant) and v.value=="": return [v]
    if isinstance(v,ast.IfExp): return empties(v.body)+empties(v.orelse)
    if isinstance(v,ast.BoolOp): return [x for y in v.values for x in empties(y)]
    return []
n=0
for p in [*R.glob('rules/**/*.py'),*R.glob('scanner/**/*.py')]:
    src=p.read_text()
    if 'Message(' not in src: continue
    lines=src.splitlines(keepends=True); m=ast.parse(src); ed=[]
    for f in ast.walk(m):
        if not isinstance(f,ast.FunctionDef) or f.returns is None: continue
        ann=ast.unparse(f.returns)
        if ann not in('str','str | None'): continue
        rets=[]
        def walk(x):
            for c in ast.iter_child_nodes(x):
                if isinstance(c,(ast.FunctionDef,ast.Lambda)): continue
                if isinstance(c,ast.Return): rets.append(c)
                walk(c)
        walk(f)
        ks=set().union(*[kind(r.value) for r in rets if r.value]) if rets else set()
        if 'M' in ks and '?' not in ks:
            a,b=off(lines,f.returns.lineno,f.returns.col_offset),off(lines,f.returns.end_lineno,f.returns.end_col_offset)
            ed.append((a,b,ann.replace('str','Message')))
            for r in rets:
                for e in empties(r.value): ed.append((off(lines,e.lineno,e.col_offset),off(lines,e.end_lineno,e.end_col_offset),'NOTHING'))
    # conditional Message/"" anywhere
    for x in ast.walk(m):
        if isinstance(x,ast.IfExp) and kind(x)=={'M','E'}:
            for e in empties(x): ed.append((off(lines,e.lineno,e.col_offset),off(lines,e.end_lineno,e.end_col_offset),'NOTHING'))
    for a,b,t in sorted(set(ed),reverse=True): src=src[:a]+t+src[b:]; n+=1
    if ed:
        if re.search(r'\bNOTHING\b',src) and not re.search(r'import .*NOTHING',src):
            src=re.sub(r'from scanner.model.message import ','from scanner.model.message import NOTHING, ',src,count=1)
        p.write_text(src)
print(n)
