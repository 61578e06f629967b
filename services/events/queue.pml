/*
 * The queue's protocol, for spin: one execution, two workers on one store that may stop for any time or
 * die at any point, and a runner that runs what it is asked. The steps are those of queue_logic.c and
 * executions_store.c: claim (one commit: state, epoch, lease), run, settle (one commit, guarded by state and
 * epoch), lapse (one commit, when the lease is over), die.
 *
 * Time is abstract: `expired` says that the lease that was given out last is over. A worker that is awake
 * settles before that ("a lease outlives the run"); one that was paused may find it over.
 *
 * With -DNO_EPOCH a settlement looks at the state alone: the same worker, come back late, then settles a
 * lease that is another's. spin must find that.
 */

#define WORKERS 2
#define MAX_ATTEMPTS 3
#define MAX_DEATHS 3

mtype = { WAITING, RUNNING, DONE, DEAD };

mtype state = WAITING;
byte epoch = 0;
byte attempt = 0;
bool expired = false;
byte deaths = 0;

byte settled = 0;      /* commits that ended it */
byte holder = WORKERS; /* whose lease is the newest */
bool wrong = false;    /* somebody settled without having the newest lease */

inline settle(me, mine, ok) {
    atomic {
        if
#ifdef NO_EPOCH
        :: state == RUNNING ->
#else
        :: state == RUNNING && epoch == mine ->
#endif
            if
            :: holder != me || epoch != mine -> wrong = true
            :: else
            fi;
            if
            :: ok -> state = DONE; settled++
            :: !ok && attempt < MAX_ATTEMPTS -> state = WAITING
            :: !ok && attempt >= MAX_ATTEMPTS -> state = DEAD; settled++
            fi;
            expired = false
        :: else /* stale: nothing is written */
        fi
    }
}

proctype Worker(byte me) {
    byte mine = 0;
    bool ok;
    do
    :: atomic { state == WAITING ->
           state = RUNNING; epoch++; attempt++; mine = epoch; holder = me; expired = false };
       /* The run: whatever it answers. */
       if
       :: ok = true
       :: ok = false
       fi;
       if
       :: settle(me, mine, ok)
       :: deaths < MAX_DEATHS -> atomic { deaths++; mine = 0 } /* before the commit: forgotten */
       :: atomic { deaths < MAX_DEATHS -> deaths++; expired = true }; /* paused until it is over ... */
          settle(me, mine, ok) /* ... and back at any time */
       fi
    :: atomic { state == RUNNING && expired -> /* lapse: read under the same transaction as written */
           if
           :: attempt < MAX_ATTEMPTS -> state = WAITING
           :: else -> state = DEAD; settled++
           fi;
           expired = false }
    :: state == DONE || state == DEAD -> break
    od
}

/* A lease nobody has any more is over some day. */
proctype Time() {
    do
    :: atomic { state == RUNNING && deaths > 0 && !expired -> expired = true }
    :: state == DONE || state == DEAD -> break
    od
}

init {
    atomic { run Worker(0); run Worker(1); run Time() }
}

ltl settled_once { [] (settled <= 1) }
ltl current_lease_decides { [] (!wrong) }
ltl counted { [] ((settled == 1) -> (state == DONE || state == DEAD)) }
ltl bounded { [] (attempt <= MAX_ATTEMPTS) }
