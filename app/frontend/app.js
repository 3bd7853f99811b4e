// The page scripts. Every page works without them; they only make it quicker to use.
import { comboboxes } from "./js/combobox.js";
import { forms } from "./js/forms.js";
import { menus } from "./js/menus.js";
import { pay } from "./js/pay.js";
import { selection } from "./js/selection.js";
import { slots } from "./js/slots.js";

menus();
comboboxes();
selection();
forms();
pay();
slots();
