"""Every number that shapes the product's behaviour, in one place, with its unit and its reason."""

PROTOCOL_VERSION = 4
PROBLEM_HEADER = "Netrender-Problem"  # of every answer while the coordinator cannot keep anything: why, percent-encoded

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8470

OLDEST_BLENDER = (4, 2)

MAX_FRAMES_PER_JOB = 100_000  # frames; more is nearly always a slip of the keyboard
MAX_JSON_BODY = 16 * 2**20  # bytes; a manifest of 50,000 files fits
MAX_ARCHIVE_JSON = 64 * 2**20  # bytes of an archive's job.json: a manifest, and 200 bytes for each of 100,000 frames
MAX_LOG = 1 * 2**20  # bytes kept of a frame's log
TRANSFER_BLOCK = 256 * 2**10  # bytes read and written at once when files are streamed

SLAVE_SILENCE = 10.0  # seconds without a pong until a slave counts as lost
PING_INTERVAL = SLAVE_SILENCE / 1.5  # seconds; aiohttp waits half of it for the pong: 6.7 + 3.3 = 10
RECONNECT_FIRST = 0.1  # seconds before the first try to reconnect ...
RECONNECT_MOST = 5.0  # ... doubled at each try up to this, each with full jitter

# Scheduling: the defaults of scheduling/policy.py.
MAX_SHARE = 0.75  # of the slaves; a job that uses more goes last, so that a second one always finds some
FIRST_FRAMES = 1  # frames: a job of which fewer were dispatched goes first, so that its errors show early
STARVED_AFTER = 120.0  # seconds without a frame that a job waits at most: nobody starves
STARVED_LEAD = 0.25  # of that: a job goes first so much sooner, at most, for a slave may still be busy with a frame
USAGE_SAMPLE = 10.0  # seconds between two samples of which job holds how much of the farm
USAGE_MEMORY = 120.0  # seconds over which usage is averaged: longer than chunks, shorter than patience
USAGE_AHEAD = 0.3  # against the average: without it all slaves would run to one job, and then to the other
STICKY = 0.01  # of the farm: a slave stays with its open scene while its job is ahead by no more than this
CHUNK_TARGET = 30.0  # seconds of rendering that an automatic chunk aims at
FRAME_LEAST, FRAME_MOST = 1e-4, 1e7  # seconds: a render time outside of these counts as the nearer one, because
# quotients of times that no frame takes would not be finite
FRAME_ATTEMPTS = 3  # slaves on which a frame must fail until it is an error frame
SLAVE_FAILURES = 5  # failures in one job; more than one bad frame makes, which FRAME_ATTEMPTS ends before
SICK_JOBS = 3  # jobs in which a slave failed without a success since: then it is the slave
COMEBACK = 600.0  # seconds; a machine restarts in less, and a job that nobody else can render loses nothing by waiting
FORGIVE_AFTER = 1800.0  # seconds; by then a full disk may be empty again, and a card back on its bus
STRAGGLER_MARGIN = 1.25  # an idle slave takes over a frame that it will end so many times sooner than who has it
STRAGGLER_BLIND = 60.0  # seconds of a job's first frames after which a second slave tries one too
STALL_FACTOR = 20.0  # a renderer that is silent for so many of the job's frames hangs ...
STALL_LEAST = 120.0  # seconds ... but building a scene may take this long without a word
STALL_BLIND = 1800.0  # seconds, while nothing is known of the job
THREAD_SWITCH = 0.0005  # seconds; how long the coordinator's event loop waits at most for its own other threads
TAIL_CHECK = 0.5  # seconds; how often at most idle slaves look whether somebody is late at the end of a job

EVENT_KEEPALIVE = 10.0  # seconds between comments on a silent event stream
ROOM_LEAST = 1 * 2**20  # bytes; with less the coordinator's disk counts as full: a commit needs some pages
ROOM_CHECK = 2.0  # seconds between two looks whether a full disk has room again, which no system tells by itself
STOP_GRACE = 5.0  # seconds between asking a process to end, terminating it and killing it

RENDERER_START = 120.0  # seconds until a Blender that was started must be ready; a cold disk is slow
RENDERER_LINE = 64 * 2**20  # bytes of one reply; the inspection of a scene with 50,000 files is one line
RENDERER_SHORT_LINE = 1 * 2**20  # bytes of one reply to a slave, which asks for no inspection
RESULT_MOST = 32 * 2**30  # bytes of a result; one of 16k by 16k pixels and 30 channels of 32 bits is not larger
RENDERER_TAIL = 12  # lines of the log that the message about a renderer's death quotes

CONNECT_TIMEOUT = 5.0  # seconds until a coordinator that does not answer counts as not there
ANSWER_TIMEOUT = 60.0  # seconds; a manifest of 50,000 files takes a slow coordinator a while
TRANSFER_ATTEMPTS = 5  # tries, each after the last moved no byte, until a transfer is given up
TRANSFERS = 4  # uploads or downloads at a time; hides the round trips of many small files
SMALL_BLOB = 64 * 2**10  # bytes up to which a file travels in a batch: below it a request costs more than the bytes
BATCH_BLOBS = 1000  # small files in one batch; their journal is synced to the disk once
BATCH_BYTES = 16 * 2**20  # bytes of a batch at most: it is held in memory on both sides
BATCH_LEAST = 8  # small files from which on a batch is worth a request of its own
SETTLE_DELAY = 1.0  # seconds for which journals of batches are collected, until one sync of the disk is for all
DELTA_LEAST = 1 * 2**20  # bytes from which on a changed file is sent as its changes: below it asking costs more
DELTA_WORTH = 0.8  # of the file: if more than this is new, it is sent whole, without going through its chunks
COMPRESSION = 1  # level of zstandard for what travels: it keeps up with a gigabit network on one core
COMPRESSION_WORTH = 0.9  # compressed to more than this of its size, a sample says that the file is not worth it
COMPRESSION_SAMPLE = 128 * 2**10  # bytes of a file that are tried
COMPRESSION_WINDOW = 8 * 2**20  # bytes of memory for what is repeated in a body; a sender needs no more, says RFC 9659
UNPACKED_LIMIT = 10 * 10**9  # bytes of unpacked .blend files in a user's cache; what is being sent stays
WATCH_PATIENCE = 600.0  # seconds that a waiting client lets the coordinator be away: a machine restarts in less

UPLOADS = 2  # results that a slave sends at once: one travels while the other is committed
MANIFESTS = 8  # that a slave keeps in memory: of the jobs that it has leases of, and the last ones
HASH_TRIES = 3  # readings of a file that changes meanwhile, until it is refused
BLOB_TRIES = 3  # downloads of a blob whose bytes are wrong, until its frames fail
REQUEST_SILENCE = 30.0  # seconds without a byte until a slave gives up a request and repeats it
SLAVE_ROOM = 64 * 2**20  # bytes: with less a slave's disk is full; a large frame with all its passes needs as much ...
SLAVE_ROOM_SHARE = 0.05  # ... but of a disk that is small as a whole, this part of it is enough
RECOVERY_CHECK = 5.0  # seconds between looks whether a slave that is set aside can render: no system tells of room
LOG_DELAY = 0.25  # seconds for which a slave collects log lines before it sends them

DISCOVERY_REQUEST = 3  # seconds for the details of a coordinator that was heard of
DISCOVERY_TIMEOUT = 5.0  # seconds until a command that looks for a coordinator gives up; a slave never does
