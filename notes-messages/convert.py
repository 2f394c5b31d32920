"""Run with python 3.13: rewrite texts of a module to Message calls."""
import ast
import keyword
import re
import sys

sys.path.insert(0,'/work/main')
from pathlib import Path

sys.path.insert(0,'/tmp/msg')
from collections import Counter

import visitor as facts


class V(facts._Visitor):
    def __init__(s,u=()):
        super().__init__(u); s.nodes=[]; s.skip=set()
    def _take(s,node):
        if id(node) in s.skip: return
        n=len(s.found); super()._take(node)
        if len(s.found)>n: s.nodes.append(node)
    def visit_Call(s,node):
        if facts._name(node.func) in ("Message","plural"):
            for k in node.keywords: s.visit(k.value)
            return
        super().visit_Call(node)
    def visit_Compare(s,node):
        for e in (node.left,*node.comparators):
            if not isinstance(e,(ast.Constant,ast.Tuple,ast.Set)): s.visit(e)
    def visit_Dict(s,node):
        for v in node.values: s.visit(v)

def off(lines,l,c):  # byte col -> char offset
    return sum(len(x) for x in lines[:l-1])+len(lines[l-1].encode()[:c].decode())

def conv(src, parts=()):
    n=0
    skipped=[]
    for _ in range(6):
        lines=src.splitlines(keepends=True)
        m=ast.parse(src); v=V(facts._reasons(m))
        for node in ([e for e in ast.walk(m) if facts._defined(e) in parts] if parts else [m]): v.visit(node)
        nodes=[x for x in v.nodes if not isinstance(x,ast.BinOp)]
        span=lambda x:(off(lines,x.lineno,x.col_offset),off(lines,x.end_lineno,x.end_col_offset))
        spans=[(span(x),x) for x in nodes]
        # innermost
        inner=[(s,x) for s,x in spans if not any(t!=s and s[0]<=t[0] and t[1]<=s[1] for t,_ in spans)]
        done=0
        for (a,b),x in sorted(inner,key=lambda e:-e[0][0]):
            seg=src[a:b]
            if isinstance(x,ast.Constant):
                new=f"Message({seg})"
            else:
                if any(isinstance(f,ast.FormattedValue) and facts._alternatives(f.value) for f in x.values):
                    if (a,b) not in skipped: skipped.append((a,b)); print("  SKIP",x.lineno,seg.replace("\n"," "))
                    continue
                used=Counter(); kws=[]; t=seg; edits=[]
                for f in x.values:
                    if not isinstance(f,ast.FormattedValue): continue
                    name=facts._field(f.value)[0] or "value"
                    used[name]+=1
                    if used[name]>1: name=f"{name}{used[name]}"
                    if keyword.iskeyword(name): name+="_"; print("  KEYWORD",name)
                    fa,fb=span(f); va,vb=span(f.value)
                    e=src[va:vb]
                    spec=ast.unparse(f.format_spec)[2:-1] if f.format_spec else ""
                    if spec==",": e=f"Number({e})"
                    elif spec or f.conversion!=-1:
                        e="f"+'"'+src[fa:fb].replace('"',"'")+'"' if f.conversion!=114 else f"repr({e})"
                    edits.append((fa-a,fb-a,"{"+name+"}")); kws.append(f"{name}={e}")
                for p,q,r in sorted(edits,reverse=True): t=t[:p]+r+t[q:]
                t=re.sub(r'(?m)(^|(?<=[\s(]))f(?=["\'])','',t)
                if "{{" in t: print("  BRACE",x.lineno,t)
                new=f"Message({t}, {', '.join(kws)})"
            src=src[:a]+new+src[b:]; done+=1
        n+=done
        if not done: break
    return src,n

def imports(src):
    names=[x for x in ("Message","Number") if re.search(rf"\b{x}\(",src)]
    if not names or "scanner.model.message import" in src: return src
    m=ast.parse(src)
    first=next(x for x in m.body if isinstance(x,(ast.Import,ast.ImportFrom)) or not isinstance(x,ast.Expr))
    ls=src.splitlines(keepends=True)
    ls.insert(first.lineno-1,f"from scanner.model.message import {', '.join(names)}\n"+("" if isinstance(first,(ast.Import,ast.ImportFrom)) else "\n"))
    return "".join(ls)

if __name__=="__main__":
    root=Path('/work/main'); total=0
    for p,parts in facts.targets(root):
        src=p.read_text(); new,n=conv(src,parts)
        if n:
            total+=n; p.write_text(imports(new)); print(p.relative_to(root),n)
    print(total)
