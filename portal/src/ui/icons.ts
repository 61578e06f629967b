import activity from "lucide-static/icons/activity.svg?raw";
import alert from "lucide-static/icons/triangle-alert.svg?raw";
import ban from "lucide-static/icons/ban.svg?raw";
import branch from "lucide-static/icons/git-branch.svg?raw";
import check from "lucide-static/icons/check.svg?raw";
import clock from "lucide-static/icons/clock.svg?raw";
import close from "lucide-static/icons/x.svg?raw";
import copy from "lucide-static/icons/copy.svg?raw";
import download from "lucide-static/icons/download.svg?raw";
import error from "lucide-static/icons/circle-alert.svg?raw";
import file from "lucide-static/icons/file-code.svg?raw";
import globe from "lucide-static/icons/globe.svg?raw";
import home from "lucide-static/icons/house.svg?raw";
import inbox from "lucide-static/icons/inbox.svg?raw";
import info from "lucide-static/icons/info.svg?raw";
import key from "lucide-static/icons/key-round.svg?raw";
import language from "lucide-static/icons/languages.svg?raw";
import layers from "lucide-static/icons/layers.svg?raw";
import logs from "lucide-static/icons/scroll-text.svg?raw";
import menu from "lucide-static/icons/menu.svg?raw";
import monitor from "lucide-static/icons/monitor.svg?raw";
import moon from "lucide-static/icons/moon.svg?raw";
import next from "lucide-static/icons/chevron-right.svg?raw";
import pause from "lucide-static/icons/pause.svg?raw";
import play from "lucide-static/icons/play.svg?raw";
import plus from "lucide-static/icons/plus.svg?raw";
import reload from "lucide-static/icons/refresh-cw.svg?raw";
import rollback from "lucide-static/icons/rotate-ccw.svg?raw";
import search from "lucide-static/icons/search.svg?raw";
import server from "lucide-static/icons/server.svg?raw";
import shield from "lucide-static/icons/shield-check.svg?raw";
import signOut from "lucide-static/icons/log-out.svg?raw";
import sun from "lucide-static/icons/sun.svg?raw";
import timer from "lucide-static/icons/timer.svg?raw";
import trash from "lucide-static/icons/trash-2.svg?raw";
import tree from "lucide-static/icons/list-tree.svg?raw";
import user from "lucide-static/icons/user.svg?raw";
import users from "lucide-static/icons/users.svg?raw";
import zap from "lucide-static/icons/zap.svg?raw";

// Without the licence's comment (LICENSES of the package names it) and the attributes that styles.css sets.
const inner = (svg: string): string => svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>"));

export const icons = {
  activity: inner(activity), alert: inner(alert), ban: inner(ban), branch: inner(branch), check: inner(check), clock: inner(clock),
  close: inner(close), copy: inner(copy), download: inner(download), error: inner(error), file: inner(file), globe: inner(globe),
  home: inner(home), inbox: inner(inbox), info: inner(info), key: inner(key), language: inner(language), layers: inner(layers),
  logs: inner(logs), menu: inner(menu), monitor: inner(monitor), moon: inner(moon), next: inner(next), pause: inner(pause),
  play: inner(play), plus: inner(plus), reload: inner(reload), rollback: inner(rollback), search: inner(search), server: inner(server),
  shield: inner(shield), signOut: inner(signOut), sun: inner(sun), timer: inner(timer), trash: inner(trash), tree: inner(tree),
  user: inner(user), users: inner(users), zap: inner(zap),
};

export type IconName = keyof typeof icons;
