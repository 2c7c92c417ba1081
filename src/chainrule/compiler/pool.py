"""The thread pool of compiled programs, as LLVM IR. `threads` compiles it and speaks for it to Python.

A compiled program is one function `void fn(i32 thread, i32 threads, ptr args)` that all threads of a region run. The pool is
IR like the programs themselves, because at 100 ns a barrier no call through Python or OpenMP would be cheap enough.

A waiting thread spins for about as long as waking a sleeping one takes, then sleeps in the kernel: with fewer free cores than
threads, spinning longer (or `sched_yield`) costs whole time slices.
"""

import string
import sys

MOST = 128  # threads in a pool; eight bits of `@region` hold the number
SPINS = 1000  # pauses before a thread sleeps in a barrier or at the end of a region: about 20 us on Zen 3
IDLE_SPINS = 100_000  # and between two regions: 2 ms, since the system may take 0.6 ms to wake a thread

SYMBOLS = ("chainrule_parallel", "chainrule_parallel_limited", "chainrule_barrier")

_FUTEX = {"x86_64": 202, "aarch64": 98, "arm64": 98}  # number of the system call on Linux
_PAUSE = {"x86_64": "llvm.x86.sse2.pause()", "aarch64": "llvm.aarch64.isb(i32 15)", "arm64": "llvm.aarch64.isb(i32 15)"}

_SERIAL = """
define void @chainrule_parallel(ptr %fn, ptr %args) nounwind {
  call void %fn(i32 0, i32 1, ptr %args)
  ret void
}
define void @chainrule_parallel_limited(i32 %most, ptr %fn, ptr %args) nounwind {
  call void %fn(i32 0, i32 1, ptr %args)
  ret void
}
define void @chainrule_barrier() nounwind {
  ret void
}
define i32 @pool_init() nounwind {
  ret i32 0
}
define i32 @pool_take() nounwind {
  ret i32 1
}
define void @pool_release() nounwind {
  ret void
}
define void @pool_want(i32 %n) nounwind {
  ret void
}
define i32 @pool_resize(i32 %n) nounwind {
  ret i32 1
}
define void @pool_forget() nounwind {
  ret void
}
"""

# `wait` sleeps until it is woken if the word still holds the value, and may return for no reason; `wake` wakes all.
_WAIT_FUTEX = """
declare i64 @syscall(i64, ...)
define internal void @wait(ptr %word, i32 %value) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i64 128, i32 %value, ptr null)
  ret void
}
define internal void @wake(ptr %word) nounwind {
  %r = call i64 (i64, ...) @syscall(i64 $FUTEX, ptr %word, i64 129, i32 2147483647, ptr null)
  ret void
}
define internal void @wait_init() nounwind {
  ret void
}
"""
_WAIT_POSIX = """
@mutex = internal global [128 x i8] zeroinitializer, align 64
@condition = internal global [128 x i8] zeroinitializer, align 64
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
define internal void @wait(ptr %word, i32 %value) nounwind {
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %now = load atomic i32, ptr %word seq_cst, align 4
  %same = icmp eq i32 %now, %value
  br i1 %same, label %sleep, label %out
sleep:
  %r = call i32 @pthread_cond_wait(ptr @condition, ptr @mutex)
  br label %out
out:
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  ret void
}
define internal void @wake(ptr %word) nounwind {
  %locked = call i32 @pthread_mutex_lock(ptr @mutex)
  %r = call i32 @pthread_cond_broadcast(ptr @condition)
  %unlocked = call i32 @pthread_mutex_unlock(ptr @mutex)
  ret void
}
define internal void @wait_init() nounwind {
  %a = call i32 @pthread_mutex_init(ptr @mutex, ptr null)
  %b = call i32 @pthread_cond_init(ptr @condition, ptr null)
  ret void
}
"""

# A thread that the system wakes on a processor where another one of the region runs would first run when that one's time slice
# ends, milliseconds later. So the caller stays where it is during a region, and workers keep away from there.
_AWAY = """
declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)
declare i32 @pthread_setaffinity_np(i64, i64, ptr)
declare i64 @llvm.ctpop.i64(i64)

; Hold the caller where it is, of which %before remembers where else it may run, and %n - 1 workers elsewhere.
define internal i1 @hold(i32 %n, ptr %before) nounwind {
entry:
  %mask = alloca [16 x i64], align 16
  store [16 x i64] zeroinitializer, ptr %before
  store [16 x i64] zeroinitializer, ptr %mask
  %cpu = call i32 @sched_getcpu()
  %known = icmp ult i32 %cpu, 1024
  br i1 %known, label %ask, label %no
ask:
  %failed = call i32 @sched_getaffinity(i32 0, i64 128, ptr %before)
  %ok = icmp eq i32 %failed, 0
  br i1 %ok, label %count, label %no
count:
  %i = phi i32 [0, %ask], [%i1, %count]
  %sum = phi i64 [0, %ask], [%more, %count]
  %at = getelementptr i64, ptr %before, i32 %i
  %bits = load i64, ptr %at
  %set = call i64 @llvm.ctpop.i64(i64 %bits)
  %more = add i64 %sum, %set
  %i1 = add i32 %i, 1
  %counting = icmp ult i32 %i1, 16
  br i1 %counting, label %count, label %counted
counted:
  %n64 = zext i32 %n to i64
  %enough = icmp uge i64 %more, %n64
  br i1 %enough, label %pin, label %no
pin:
  %place = lshr i32 %cpu, 6
  %slot = getelementptr i64, ptr %mask, i32 %place
  %wide = zext i32 %cpu to i64
  %shift = and i64 %wide, 63
  %bit = shl i64 1, %shift
  store i64 %bit, ptr %slot
  %pinned = call i32 @sched_setaffinity(i32 0, i64 128, ptr %mask)
  %last = load i32, ptr @caller
  %same = icmp eq i32 %cpu, %last
  br i1 %same, label %yes, label %away
away:
  store i32 %cpu, ptr @caller
  %all = load [16 x i64], ptr %before
  store [16 x i64] %all, ptr %mask
  %old = load i64, ptr %slot
  %others = xor i64 %bit, -1
  %new = and i64 %old, %others
  store i64 %new, ptr %slot
  %alive = load i32, ptr @alive
  br label %each
each:
  %j = phi i32 [1, %away], [%j1, %next]
  %rest = icmp ult i32 %j, %alive
  br i1 %rest, label %next, label %yes
next:
  %jslot = getelementptr i64, ptr @workers, i32 %j
  %handle = load i64, ptr %jslot
  %r = call i32 @pthread_setaffinity_np(i64 %handle, i64 128, ptr %mask)
  %j1 = add i32 %j, 1
  br label %each
yes:
  ret i1 true
no:
  ret i1 false
}

define internal void @let_go(i1 %held, ptr %before) nounwind {
  br i1 %held, label %free, label %out
free:
  %r = call i32 @sched_setaffinity(i32 0, i64 128, ptr %before)
  br label %out
out:
  ret void
}
"""
_ANYWHERE = """
define internal i1 @hold(i32 %n, ptr %before) nounwind {
  ret i1 false
}
define internal void @let_go(i1 %held, ptr %before) nounwind {
  ret void
}
"""

# Words that different threads write stand 128 bytes apart: processors fetch cache lines of 64 bytes in pairs.
_POOL = """
@owned = internal global i32 0, align 128          ; 1 while a region, or a change of size, has the pool
@alive = internal global i32 1, align 4            ; threads there are, the caller's included; for the owner
@wanted = internal global i32 1, align 4           ; threads there should be
@born = internal global i32 0, align 4             ; @region when the workers were made
@key = internal global i64 0, align 8              ; what each thread remembers: the threads of the region it works in
@region = internal global i32 0, align 128         ; 24 bits that count, 8 bits of threads that take part; 0 of them: go home
@function = internal global ptr null, align 8      ; on the same line, so that one fetch brings all of it
@arguments = internal global ptr null, align 8
@idle = internal global i32 0, align 128           ; workers asleep between regions
@pending = internal global i32 0, align 128        ; workers still busy in this region
@joining = internal global i32 0, align 128        ; 1 if the caller sleeps until they are done
@arrived = internal global i32 0, align 128        ; threads in the barrier
@generation = internal global i32 0, align 128     ; barriers passed
@halted = internal global i32 0, align 128         ; threads asleep in the barrier
@workers = internal global [$MOST x i64] zeroinitializer, align 128
@caller = internal global i32 -1, align 128        ; the processor that workers keep away from; for the owner

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i32 @pthread_key_create(ptr, ptr)
declare ptr @pthread_getspecific(i64)
declare i32 @pthread_setspecific(i64, ptr)
declare i32 @sigfillset(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @llvm.umin.i32(i32, i32)

; Wait until %word is no longer %old; the new value. Whoever changes it looks at %asleep afterwards and wakes.
define internal i32 @changed(ptr %word, i32 %old, ptr %asleep, i32 %spins) nounwind {
entry:
  br label %look
look:
  %k = phi i32 [0, %entry], [%next, %pause]
  %now = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %now, %old
  br i1 %same, label %again, label %done
again:
  %next = add i32 %k, 1
  %more = icmp ult i32 %next, %spins
  br i1 %more, label %pause, label %tired
pause:
  $PAUSE
  br label %look
tired:
  %before = atomicrmw add ptr %asleep, i32 1 seq_cst
  br label %check
check:
  %then = load atomic i32, ptr %word seq_cst, align 4
  %still = icmp eq i32 %then, %old
  br i1 %still, label %sleep, label %awake
sleep:
  call void @wait(ptr %word, i32 %old)
  br label %check
awake:
  %after = atomicrmw sub ptr %asleep, i32 1 seq_cst
  br label %done
done:
  %value = phi i32 [%now, %look], [%then, %awake]
  ret i32 %value
}

; Wake the threads that sleep on %word, of which %asleep says whether there are any.
define internal void @rouse(ptr %word, ptr %asleep) nounwind {
entry:
  %n = load atomic i32, ptr %asleep seq_cst, align 4
  %none = icmp eq i32 %n, 0
  br i1 %none, label %out, label %some
some:
  call void @wake(ptr %word)
  br label %out
out:
  ret void
}

; Begin the next region with %n threads, or send the workers home with 0.
define internal void @publish(i32 %n) nounwind {
  %last = load i32, ptr @region
  %count = and i32 %last, -256
  %next = add i32 %count, 256
  %word = or i32 %next, %n
  store atomic i32 %word, ptr @region seq_cst, align 4
  call void @rouse(ptr @region, ptr @idle)
  ret void
}

define internal ptr @worker(ptr %p) nounwind {
entry:
  %wide = ptrtoint ptr %p to i64
  %thread = trunc i64 %wide to i32
  %born = load i32, ptr @born
  br label %rest
rest:
  %last = phi i32 [%born, %entry], [%word, %look], [%word, %work], [%word, %final]
  %word = call i32 @changed(ptr @region, i32 %last, ptr @idle, i32 $IDLE_SPINS)
  %n = and i32 %word, 255
  %over = icmp eq i32 %n, 0
  br i1 %over, label %home, label %look
look: ; a thread that takes no part must not read on: the next region may begin meanwhile
  %mine = icmp ult i32 %thread, %n
  br i1 %mine, label %work, label %rest
work:
  %fn = load ptr, ptr @function
  %args = load ptr, ptr @arguments
  %key = load i64, ptr @key
  %n64 = zext i32 %n to i64
  %note = inttoptr i64 %n64 to ptr
  %r = call i32 @pthread_setspecific(i64 %key, ptr %note)
  call void %fn(i32 %thread, i32 %n, ptr %args)
  %before = atomicrmw sub ptr @pending, i32 1 seq_cst
  %finished = icmp eq i32 %before, 1
  br i1 %finished, label %final, label %rest
final:
  call void @rouse(ptr @pending, ptr @joining)
  br label %rest
home:
  ret ptr null
}

define void @chainrule_parallel(ptr %fn, ptr %args) nounwind {
  tail call void @chainrule_parallel_limited(i32 $MOST, ptr %fn, ptr %args)
  ret void
}

define void @chainrule_parallel_limited(i32 %most, ptr %fn, ptr %args) nounwind {
entry:
  %before = alloca [16 x i64], align 16
  %key = load i64, ptr @key
  %wanted = load atomic i32, ptr @wanted monotonic, align 4
  %possible = call i32 @llvm.umin.i32(i32 %wanted, i32 %most)
  %few = icmp ult i32 %possible, 2
  br i1 %few, label %alone, label %try
try: ; fails inside a region, of this thread or of another
  %swap = cmpxchg ptr @owned, i32 0, i32 1 acquire monotonic
  %mine = extractvalue {i32, i1} %swap, 1
  br i1 %mine, label %owner, label %alone
owner:
  %there = load i32, ptr @alive
  %right = icmp eq i32 %there, %wanted
  br i1 %right, label %begin, label %resize
resize: ; the first region, also that of a forked child, makes the workers
  %made = call i32 @pool_resize(i32 %wanted)
  br label %begin
begin:
  %have = phi i32 [%there, %owner], [%made, %resize]
  %n = call i32 @llvm.umin.i32(i32 %have, i32 %most)
  %none = icmp ult i32 %n, 2
  br i1 %none, label %give, label %go
give:
  store atomic i32 0, ptr @owned release, align 4
  br label %alone
go:
  store ptr %fn, ptr @function
  store ptr %args, ptr @arguments
  %others = sub i32 %n, 1
  store atomic i32 %others, ptr @pending monotonic, align 4
  %held = call i1 @hold(i32 %n, ptr %before)
  call void @publish(i32 %n)
  %n64 = zext i32 %n to i64
  %note = inttoptr i64 %n64 to ptr
  %noted = call i32 @pthread_setspecific(i64 %key, ptr %note)
  call void %fn(i32 0, i32 %n, ptr %args)
  %cleared = call i32 @pthread_setspecific(i64 %key, ptr null)
  %first = load atomic i32, ptr @pending acquire, align 4
  br label %join
join:
  %left = phi i32 [%first, %go], [%fewer, %more]
  %done = icmp eq i32 %left, 0
  br i1 %done, label %end, label %more
more:
  %fewer = call i32 @changed(ptr @pending, i32 %left, ptr @joining, i32 $SPINS)
  br label %join
end:
  call void @let_go(i1 %held, ptr %before)
  store atomic i32 0, ptr @owned release, align 4
  ret void
alone:
  %outer = call ptr @pthread_getspecific(i64 %key)
  %free = icmp eq ptr %outer, null
  br i1 %free, label %plain, label %nested
plain:
  call void %fn(i32 0, i32 1, ptr %args)
  ret void
nested: ; its barriers are not those of the region around it
  %hidden = call i32 @pthread_setspecific(i64 %key, ptr null)
  call void %fn(i32 0, i32 1, ptr %args)
  %restored = call i32 @pthread_setspecific(i64 %key, ptr %outer)
  ret void
}

define void @chainrule_barrier() nounwind {
entry:
  %key = load i64, ptr @key
  %note = call ptr @pthread_getspecific(i64 %key)
  %wide = ptrtoint ptr %note to i64
  %n = trunc i64 %wide to i32
  %alone = icmp ult i32 %n, 2
  br i1 %alone, label %out, label %arrive
arrive:
  %now = load atomic i32, ptr @generation acquire, align 4
  %before = atomicrmw add ptr @arrived, i32 1 acq_rel
  %count = add i32 %before, 1
  %last = icmp eq i32 %count, %n
  br i1 %last, label %open, label %stay
open:
  store atomic i32 0, ptr @arrived monotonic, align 4
  %next = add i32 %now, 1
  store atomic i32 %next, ptr @generation seq_cst, align 4
  call void @rouse(ptr @generation, ptr @halted)
  ret void
stay:
  %then = call i32 @changed(ptr @generation, i32 %now, ptr @halted, i32 $SPINS)
  ret void
out:
  ret void
}

; What follows is for Python. Zero means success, as everywhere in pthreads.
define i32 @pool_init() nounwind {
  call void @wait_init()
  %r = call i32 @pthread_key_create(ptr @key, ptr null)
  ret i32 %r
}

define i32 @pool_take() nounwind {
  %swap = cmpxchg ptr @owned, i32 0, i32 1 acquire monotonic
  %mine = extractvalue {i32, i1} %swap, 1
  %taken = zext i1 %mine to i32
  ret i32 %taken
}

define void @pool_release() nounwind {
  store atomic i32 0, ptr @owned release, align 4
  ret void
}

define void @pool_want(i32 %n) nounwind {
  store atomic i32 %n, ptr @wanted monotonic, align 4
  ret void
}

; Send the workers home and make %n - 1 others; how many threads there are then. Only for the owner of the pool.
define i32 @pool_resize(i32 %n) nounwind {
entry:
  %all = alloca [128 x i8], align 16
  %mask = alloca [128 x i8], align 16
  %old = load i32, ptr @alive
  %some = icmp ugt i32 %old, 1
  br i1 %some, label %leave, label %gone
leave:
  call void @publish(i32 0)
  br label %await
await:
  %j = phi i32 [1, %leave], [%j1, %await]
  %jslot = getelementptr i64, ptr @workers, i32 %j
  %handle = load i64, ptr %jslot
  %joined = call i32 @pthread_join(i64 %handle, ptr null)
  %j1 = add i32 %j, 1
  %rest = icmp ult i32 %j1, %old
  br i1 %rest, label %await, label %gone
gone:
  store i32 1, ptr @alive
  store i32 -1, ptr @caller
  %many = icmp ugt i32 %n, 1
  br i1 %many, label %prepare, label %out
prepare: ; signals are for Python's own threads
  %region = load i32, ptr @region
  store i32 %region, ptr @born
  %filled = call i32 @sigfillset(ptr %all)
  %masked = call i32 @pthread_sigmask(i32 $SIG_SETMASK, ptr %all, ptr %mask)
  br label %make
make:
  %i = phi i32 [1, %prepare], [%i1, %made]
  %slot = getelementptr i64, ptr @workers, i32 %i
  %wide = zext i32 %i to i64
  %id = inttoptr i64 %wide to ptr
  %failed = call i32 @pthread_create(ptr %slot, ptr null, ptr @worker, ptr %id)
  %ok = icmp eq i32 %failed, 0
  br i1 %ok, label %made, label %refused
made:
  %i1 = add i32 %i, 1
  %unfinished = icmp ult i32 %i1, %n
  br i1 %unfinished, label %make, label %finished
refused: ; the system allows no more: do with these, and do not ask again at every region
  store atomic i32 %i, ptr @wanted monotonic, align 4
  br label %finished
finished:
  %have = phi i32 [%i1, %made], [%i, %refused]
  store i32 %have, ptr @alive
  %unmasked = call i32 @pthread_sigmask(i32 $SIG_SETMASK, ptr %mask, ptr null)
  br label %out
out:
  %result = phi i32 [1, %gone], [%have, %finished]
  ret i32 %result
}

; In a forked child there are no workers, whatever was going on in the parent.
define void @pool_forget() nounwind {
  store i32 1, ptr @alive
  store i32 0, ptr @idle
  store i32 0, ptr @pending
  store i32 0, ptr @joining
  store i32 0, ptr @arrived
  store i32 0, ptr @halted
  call void @wait_init()
  store atomic i32 0, ptr @owned release, align 4
  ret void
}
"""


def kind_of(triple):
    """How threads wait on this platform: "futex", "posix", or "serial" where there are none."""
    machine = triple.partition("-")[0]
    if "windows" in triple or sys.maxsize < 2**32:
        return "serial"
    return "futex" if "linux" in triple and machine in _FUTEX else "posix"


def text(triple, kind):
    """The pool as LLVM IR."""
    machine = triple.partition("-")[0]
    pause = _PAUSE.get(machine)
    values = {
        "SPINS": SPINS,
        "IDLE_SPINS": IDLE_SPINS,
        "MOST": MOST,
        "FUTEX": _FUTEX.get(machine),
        "SIG_SETMASK": 2 if "linux" in triple else 3,
        "PAUSE": f"call void @{pause}" if pause else "fence seq_cst",
    }
    parts = [f'target triple = "{triple}"']
    if kind == "serial":
        parts.append(_SERIAL)
    else:
        if pause:
            parts.append("declare void @" + pause.replace("i32 15", "i32"))
        parts += [_WAIT_FUTEX, _AWAY] if kind == "futex" else [_WAIT_POSIX, _ANYWHERE]
        parts.append(_POOL)
    return string.Template("\n".join(parts)).substitute(values)
